//! What programs inside reach, over real sockets on loopback, and what each fuzz target found.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

mod captured;
mod connect;
mod fuzzed;
mod http;
mod limits;
mod order;
mod socks;
mod texts;
mod tls;
mod world;
