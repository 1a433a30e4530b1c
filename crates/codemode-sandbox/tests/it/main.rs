//! The sandbox through its own channels: a real zygote, real cells, no engine.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cell;
mod cgroups;
mod dependencies;
mod execs;
mod fuzzed;
mod harden;
mod harness;
mod missing;
mod network;
mod ordinary;
