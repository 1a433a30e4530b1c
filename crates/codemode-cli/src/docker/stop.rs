//! `codemode docker stop` and `codemode docker remove`. Only containers of ours.

use std::{path::Path, process::ExitCode};

use super::{
    container::{Container, command, missing},
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
    exit::print(&format!("{name} is stopped; `{}` starts it again\n", command("start", name)))
}

pub(super) fn remove(name: &str, force: bool) -> Result<ExitCode, Failure> {
    let engine = Engine::connect()?;
    let place = Place::of(name, &environment::variables())?;
    let _alone = place.lock()?;
    let container = Container::ours(&engine, name)?.ok_or_else(|| missing(name))?;
    if !force && ["running", "paused", "restarting"].contains(&container.state.status.as_str()) {
        let stop = command("stop", name);
        return Err(Failure::usage(format!("{name} is running; `{stop}` first, or add --force")));
    }
    engine.told(&["rm", "--force", "--volumes", name])?;
    place.remove()?;
    // Whoever made it may be another user, or have had another HOME.
    match container.key_file().filter(|file| !matches!(Path::new(file).try_exists(), Ok(false))) {
        None => exit::print(&format!("{name} is removed, and its key\n")),
        Some(file) => exit::print(&format!("{name} is removed; its key was not made here, and stays in {file}\n")),
    }
}
