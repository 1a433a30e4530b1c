//! Starting a zygote: a fresh interpreter with an empty environment that is told its plan over a socket.

use std::{
    io::{self, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use codemode_wire::zygote::ToZygote;
use rustix::fs::{MemfdFlags, memfd_create};
use thiserror::Error;

use crate::{packet, plan::SandboxPlan};

#[derive(Debug, Error)]
pub enum LaunchError {
    #[error("cannot start the interpreter {path}: {source}")]
    Start { path: PathBuf, source: io::Error },
    #[error("cannot hand the plan to the zygote: {0}")]
    Plan(#[source] io::Error),
}

/// Loads the guest module by its path and hands over; nothing is imported that the path could change.
const BOOTSTRAP: &str = "
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader('_codemode_guest', sys.argv[1])
module = loader.create_module(ModuleSpec('_codemode_guest', loader, origin=sys.argv[1]))
loader.exec_module(module)
del sys.argv[1:]
module.zygote()
";

/// Starts the zygote and hands it the plan. The answer, `Ready` or `Failed`, comes over the returned socket, and so does
/// everything else; the zygote ends when that socket closes.
pub fn launch_zygote(guest_library: &Path, plan: &SandboxPlan) -> Result<(Child, OwnedFd), LaunchError> {
    let interpreter = &plan.interpreter;
    let (ours, theirs) = packet::pair().map_err(LaunchError::Plan)?;
    let child = Command::new(interpreter)
        // Isolated, UTF-8 whatever the locale, and no .pyc files where the code could not read them anyway.
        .args(["-I", "-B", "-X", "utf8", "-c", BOOTSTRAP])
        .arg(guest_library)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .current_dir("/")
        .spawn()
        .map_err(|source| LaunchError::Start { path: interpreter.into(), source })?;
    send_plan(&ours, plan).map_err(LaunchError::Plan)?;
    Ok((child, ours))
}

fn send_plan(socket: &OwnedFd, plan: &SandboxPlan) -> io::Result<()> {
    let file = memfd_create("codemode-plan", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(&serde_json::to_vec(plan)?)?;
    packet::send(socket.as_fd(), &ToZygote::Boot.encode(), &[file.as_fd()])
}
