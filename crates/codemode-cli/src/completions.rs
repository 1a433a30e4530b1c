use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Cli, exit, exit::Failure};

pub(crate) fn print(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "codemode", &mut script);
    exit::print(&String::from_utf8_lossy(&script))
}
