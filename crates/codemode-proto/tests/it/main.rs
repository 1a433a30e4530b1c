//! The checked-in code is what the contract says, and conversions survive both ways.
#![forbid(unsafe_code)]

#[path = "../../generate/mod.rs"]
mod generate;

mod fresh;
mod hostile;
mod round_trip;
