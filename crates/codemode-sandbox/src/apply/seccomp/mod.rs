//! The system call filter: data in [`lists`], compiled here to classic BPF.
//!
//! What is not listed gets EPERM; numbers newer than the list get ENOSYS, so that programs fall back; calls of another
//! architecture's table end the process.

mod compile;
mod lists;

use std::io;

use crate::sys::{self, BpfInstruction};

/// What of the filter differs between policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterOptions {
    /// Whether programs may be started at all.
    pub allow_exec: bool,
    /// Whether Unix sockets may connect to a path. Off where the host's sockets can be seen and Landlock does not
    /// judge them.
    pub allow_connect: bool,
    /// inotify instances count against the host's user where the sandbox has no user id of its own.
    pub allow_inotify: bool,
}

/// The filter as a BPF program. Compile it once, install it often.
pub fn program(options: FilterOptions) -> Vec<BpfInstruction> {
    compile::compile(&lists::rules(options))
}

/// Installs the filter on this process. no_new_privs must be set.
pub fn install(program: &[BpfInstruction]) -> io::Result<()> {
    sys::install_filter(program)
}
