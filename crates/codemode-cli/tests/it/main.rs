//! The command as a person sees it. `run`, `serve` and `embedded` make real sandboxes and therefore want the guest
//! library beside the binary (`cargo build -p codemode-guest`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

mod audit;
mod catalogue;
mod client;
mod docker;
mod embedded;
mod explain;
mod health;
mod help;
mod init;
mod reference;
mod refused;
mod remote;
mod run;
mod serve;
mod support;
mod tls;
mod tools;
mod validate;
