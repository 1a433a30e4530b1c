//! The engine against real sandboxes. Needs `cargo build -p codemode-guest`; as root and as an ordinary user.
// Helpers outside #[test] functions fail tests by panicking, as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod admission;
mod basics;
mod ends;
mod environments;
mod groups;
mod harness;
mod hostile;
mod lives;
mod networks;
mod output;
mod parts;
mod processes;
mod self_test;
mod start;
mod tools;
