//! The server's surface. `listening` needs no sandbox; the rest serves the real engine and therefore wants
//! the guest library beside the test binaries (`cargo build -p codemode-guest`).
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

mod audit;
mod auth;
mod callers;
mod certificates;
mod drain;
mod floods;
mod fuzzed;
mod grpc;
mod http;
mod listening;
mod published;
mod reload;
mod support;
mod tls;
mod tls_files;
