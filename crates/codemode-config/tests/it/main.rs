//! Configurations as their writers write them: files, variables and mappings, and every text about what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail as tests do

mod callback;
mod client;
mod fuzzed;
mod keys;
mod pages;
mod schema;
mod side;
mod sidecar;
mod sidecar_tls;
mod support;
mod template;
