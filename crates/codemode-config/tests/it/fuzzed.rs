//! The fuzz target of the client's model, on its seeds and on every input that was ever found.
#![allow(unreachable_pub)] // as the fuzzer's own crate has it

#[path = "../../../../fuzz/src/client_configuration.rs"]
mod client_configuration;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/variables.rs"]
mod variables;

#[test]
fn client_configurations() {
    replay::all("client_configuration", client_configuration::client_configuration);
}
