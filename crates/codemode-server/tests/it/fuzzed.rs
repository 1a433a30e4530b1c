//! The fuzz targets of this crate, on their seeds and on every input that was ever found.
#![allow(unreachable_pub)] // as the fuzzer's own crate has it

#[path = "../../../../fuzz/src/configuration.rs"]
mod configuration;
#[path = "../../../../fuzz/src/published.rs"]
mod published;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/variables.rs"]
mod variables;

#[test]
fn values_of_the_published_protocol() {
    replay::all("published_values", published::values);
}

#[test]
fn configurations() {
    replay::all("configuration", configuration::configuration);
}
