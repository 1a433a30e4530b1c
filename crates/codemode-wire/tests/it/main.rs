//! The fuzz targets of this crate, on their seeds and on every input that was ever found.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, unreachable_pub)] // as the fuzzer's own crate has them

#[allow(dead_code)] // of which each target uses what it needs
#[path = "../../../../fuzz/src/choices.rs"]
mod choices;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/wire.rs"]
mod wire;

#[test]
fn frames() {
    replay::all("wire_frames", wire::frames);
}

#[test]
fn messages() {
    replay::all("wire_messages", wire::messages);
}
