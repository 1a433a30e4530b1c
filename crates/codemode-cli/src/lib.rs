//! The codemode command: serves, runs, explains.
#![forbid(unsafe_code)]

mod args;
mod completions;
mod docker;
mod doctor;
mod embedded;
mod environment;
mod exit;
mod explain;
mod guest;
mod harden;
mod health;
mod init;
mod log;
mod remote;
mod run;
mod schema;
mod serve;
mod tls;
mod tools;
mod validate;
mod write_new;

use std::process::ExitCode;

use args::{Command, ConfigCommand, ServeArgs, TlsCommand};
use clap::CommandFactory;

/// All of it, from the arguments to the exit code.
pub fn main() -> ExitCode {
    let command = match args::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    let ended = match command {
        Command::Serve(ServeArgs { embedded: true, .. }) => embedded::serve(),
        Command::Serve(args) => serve::serve(args),
        Command::Run(args) => run::run(args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Health(args) => health::health(args),
        Command::Init(args) => init::init(&args),
        Command::Validate(args) | Command::Config(ConfigCommand::Check(args)) => validate::validate(args),
        Command::Config(ConfigCommand::Schema(args)) => schema::print(&args),
        Command::Tools(command) => tools::tools(command),
        Command::Version => exit::print(&format!("codemode {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Tls(TlsCommand::GenerateCerts(args)) => tls::generate_certs(&args),
        Command::Docker(command) => docker::docker(command),
        Command::Explain(args) => explain::explain(&args),
        Command::Completions(args) => completions::print(args.shell),
    };
    ended.unwrap_or_else(|failure| failure.report())
}

/// The command line, for what describes it.
pub fn command_line() -> clap::Command {
    args::Cli::command()
}
