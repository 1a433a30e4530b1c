//! The checked-in code is what the contract says, and conversions survive both ways.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

#[path = "../../generate/mod.rs"]
mod generate;

mod fresh;
mod fuzzed;
mod hostile;
mod round_trip;
