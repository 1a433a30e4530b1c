//! The fuzz targets of this crate, on their seeds and on every input that was ever found.
#![allow(clippy::expect_used, unreachable_pub)] // as the fuzzer's own crate has them

#[path = "../../../../fuzz/src/choices.rs"]
#[allow(dead_code)] // of which each target uses what it needs
mod choices;
#[path = "../../../../fuzz/src/elf.rs"]
mod elf;
#[path = "../../../../fuzz/src/outputs.rs"]
mod outputs;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn files_of_the_host() {
    replay::all("elf", elf::elf);
}

#[test]
fn what_code_left_in_outputs() {
    replay::all("outputs", outputs::outputs);
}
