//! Rust client of a Codemode executor, remote or embedded.
