//! The client against a scripted executor: what travels, in which order, and what becomes of a broken stream.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy.toml covers the tests themselves")]

mod config;
mod events;
mod executor;
mod front;
mod fuzzed;
mod multiplex;
mod pki;
mod refusals;
mod schema;
mod size;
mod stubs;
mod tls;
mod tls_refusals;
mod tools;
