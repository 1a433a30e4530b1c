#![forbid(unsafe_code)]

mod connect;
mod fuzzed;
mod http;
mod tls;
mod world;
