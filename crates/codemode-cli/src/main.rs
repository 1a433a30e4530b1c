#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    codemode_cli::main()
}
