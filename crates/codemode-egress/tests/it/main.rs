#![forbid(unsafe_code)]

mod captured;
mod connect;
mod fuzzed;
mod http;
mod limits;
mod order;
mod socks;
mod tls;
mod world;
