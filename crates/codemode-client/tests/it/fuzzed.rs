//! The fuzz target of this crate, on its seeds and on every input that was ever found.
#![allow(clippy::expect_used, unreachable_pub)] // as the fuzzer's own crate has them

#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/schema.rs"]
mod schema;

#[test]
fn values_against_schemas() {
    replay::all("schema", schema::schema);
}
