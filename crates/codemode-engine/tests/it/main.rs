//! The engine against real sandboxes. Needs `cargo build -p codemode-guest`; as root and as an ordinary user.

mod admission;
mod basics;
mod ends;
mod harness;
mod hostile;
mod lives;
mod output;
mod tools;
