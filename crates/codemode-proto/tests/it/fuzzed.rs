//! The fuzz target of this crate, on its seeds and on every input that was ever found.
#![allow(unreachable_pub)] // as the fuzzer's own crate has it

#[path = "../../../../fuzz/src/proto.rs"]
mod proto;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn messages() {
    replay::all("proto", proto::messages);
}
