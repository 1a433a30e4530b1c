//! The client against a scripted executor: what travels, in which order, and what becomes of a broken stream.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests; clippy.toml covers the tests themselves")]

mod executor;
mod front;
mod multiplex;
mod pki;
mod refusals;
mod size;
mod tls;
mod tls_refusals;
