//! The command as a person sees it. `run`, `serve` and `embedded` make real sandboxes and therefore want the guest
//! library beside the binary (`cargo build -p codemode-guest`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

mod audit;
mod client;
mod embedded;
mod health;
mod help;
mod refused;
mod remote;
mod run;
mod serve;
mod support;
mod tls;
mod tools;
