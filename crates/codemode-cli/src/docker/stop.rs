//! `codemode docker stop` and `codemode docker remove`. Only containers of ours.

use std::process::ExitCode;

use super::{
    container::{Container, missing},
    engine::Engine,
    key::Place,
};
use crate::{
    environment,
    exit::{self, Failure},
};

pub(super) fn stop(name: &str) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let container = Container::ours(&engine, name)?.ok_or_else(|| missing(name))?;
    if ["exited", "created", "dead"].contains(&container.state.status.as_str()) {
        return exit::print(&format!("{name} is stopped already\n"));
    }
    engine.told(&["stop", name])?;
    exit::print(&format!("{name} is stopped; `codemode docker start` starts it again\n"))
}

pub(super) fn remove(name: &str, force: bool) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let place = Place::of(name, &environment::variables())?;
    let _alone = place.lock()?;
    let container = Container::ours(&engine, name)?.ok_or_else(|| missing(name))?;
    if !force && ["running", "paused", "restarting"].contains(&container.state.status.as_str()) {
        return Err(Failure::usage(format!("{name} is running; `codemode docker stop` it first, or add --force")));
    }
    engine.told(&["rm", "--force", "--volumes", name])?;
    place.remove()?;
    exit::print(&format!("{name} is removed, and its key\n"))
}
