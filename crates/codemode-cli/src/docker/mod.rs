//! `codemode docker`: the executor's image and a container of it, by way of the `docker` command.

mod bundle;
mod check;
mod container;
mod engine;
mod hardening;
mod image;
mod key;
mod mounts;
mod serving;
mod start;
mod status;
mod stop;

use std::process::ExitCode;

use crate::{args::DockerCommand, exit::Failure};

pub(crate) fn docker(command: DockerCommand) -> Result<ExitCode, Failure> {
    match command {
        DockerCommand::Check(args) => check::check(&args),
        DockerCommand::Build(args) => image::build(&args),
        DockerCommand::Start(args) => start::start(args),
        DockerCommand::Stop(args) => stop::stop(&args.name),
        DockerCommand::Remove(args) => stop::remove(&args.container.name, args.force),
        DockerCommand::Status(args) => status::status(&args),
        DockerCommand::Assets(args) => bundle::assets(&args),
        DockerCommand::Env(args) => status::env(&args.name),
    }
}
