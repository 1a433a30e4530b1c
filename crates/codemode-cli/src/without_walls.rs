//! The same command for tests, built with the feature `removable-walls`: it accepts a guest library that leaves out a wall.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    codemode_cli::main()
}
