//! The codemode command: serves, runs, explains.
#![forbid(unsafe_code)]

mod args;
mod completions;
mod doctor;
mod embedded;
mod environment;
mod exit;
mod guest;
mod harden;
mod health;
mod log;
mod remote;
mod run;
mod serve;
mod tls;
mod tools;

use std::process::ExitCode;

use args::{Command, ServeArgs, TlsCommand};

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
        Command::Tools(command) => tools::tools(command),
        Command::Version => exit::print(&format!("codemode {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Tls(TlsCommand::GenerateCerts(args)) => tls::generate_certs(&args),
        Command::Completions(args) => completions::print(args.shell),
    };
    ended.unwrap_or_else(|failure| failure.report())
}
