//! The fuzz targets of this crate, on their seeds and on every input that was ever found.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, unreachable_pub)] // as the fuzzer's own crate has them

#[allow(dead_code)] // of which each target uses what it needs
#[path = "../../../../fuzz/src/choices.rs"]
mod choices;
#[path = "../../../../fuzz/src/domains.rs"]
mod domains;
#[path = "../../../../fuzz/src/policy.rs"]
mod policy;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/sizes.rs"]
mod sizes;

#[test]
fn policies() {
    replay::all("policy", policy::policy);
}

#[test]
fn narrowing() {
    replay::all("narrowing", policy::narrowing);
}

#[test]
fn names_and_patterns() {
    replay::all("domains", domains::domains);
}

#[test]
fn the_small_parsers() {
    replay::all("sizes", sizes::sizes);
}
