//! The system call filter: data in [`lists`], compiled here to classic BPF.
//!
//! What is not listed gets EPERM; numbers newer than the list get ENOSYS, so that programs fall back; calls of another
//! architecture's table end the process.

mod compile;
#[cfg(test)]
mod equivalence;
mod lists;
mod sockets;

use std::{io, os::fd::OwnedFd};

use super::removed::{Wall, is_removed};
use crate::sys::{self, BpfInstruction};

/// What of the filter differs between policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterOptions {
    /// Whether programs may be started at all.
    pub allow_exec: bool,
    /// Whether each such start waits until the supervisor has seen it.
    pub observe_exec: bool,
    pub sockets: Sockets,
    /// inotify instances count against the host's user where the sandbox has no user id of its own.
    pub allow_inotify: bool,
}

/// Which sockets there are. No other family ever is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sockets {
    pub local: Local,
    pub internet: Internet,
}

/// Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Local {
    All,
    /// None that connects to a path, where the host's sockets can be seen and Landlock does not judge them. Without an
    /// internet only: a filter cannot tell whose socket connects.
    Unconnected,
    /// Connected pairs only.
    Pairs,
}

/// Internet sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Internet {
    None,
    /// TCP over IPv4, in a network namespace where nothing but the engine listens.
    Proxied,
    /// TCP over IPv4, and every connect waits for the broker.
    Brokered,
    /// TCP and UDP.
    Whole,
}

/// The filter as a BPF program. Compile it once, install it often.
pub fn program(options: FilterOptions) -> Vec<BpfInstruction> {
    compile::compile(&lists::rules(options))
}

/// The filter of a sandbox's init, which runs none of the code.
pub fn init_program() -> Vec<BpfInstruction> {
    compile::compile(&lists::init_rules())
}

/// Installs the filter on this process. no_new_privs must be set.
pub fn install(program: &[BpfInstruction]) -> io::Result<()> {
    if is_removed(Wall::Seccomp) { Ok(()) } else { sys::install_filter(program) }
}

/// Whether filters are a wall that a test has taken away.
pub(super) fn is_off() -> bool {
    is_removed(Wall::Seccomp)
}

/// The same for a filter with observed calls, with the end that hears of them. `None`: something outside the sandbox
/// listens to this process already, such as the manager of the container around it, and nothing was installed.
pub fn install_observed(program: &[BpfInstruction]) -> io::Result<Option<OwnedFd>> {
    if is_removed(Wall::Seccomp) {
        return Ok(None);
    }
    match sys::install_filter_with_listener(program) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(None),
        Err(error) => Err(error),
    }
}
