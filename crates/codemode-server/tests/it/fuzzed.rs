//! The fuzz target of the configuration, on its seeds and on every input that was ever found.
#![allow(unreachable_pub)] // as the fuzzer's own crate has it

#[path = "../../../../fuzz/src/configuration.rs"]
mod configuration;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/variables.rs"]
mod variables;

#[test]
fn configurations() {
    replay::all("configuration", configuration::configuration);
}
