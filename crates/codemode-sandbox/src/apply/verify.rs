//! The last step before the code: ask the kernel whether each wall stands, and try a few things that must fail.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::Path,
};

use codemode_wire::zygote::{Network, Spawn};
use rustix::{
    process::{DumpableBehavior, Resource, dumpable_behavior, getegid, geteuid, getgid, getpid, getrlimit, getuid},
    thread::{CapabilitySet, SecureComputingMode, capabilities, no_new_privs, secure_computing_mode},
};

use super::{
    Step, StepError,
    removed::{Wall, is_removed},
    root,
};
use crate::{
    plan::Means,
    sys::{self, CloneFlags},
};

/// Fails unless everything holds.
pub(super) fn walls_stand(means: Means, spawn: &Spawn, memory: DumpableBehavior) -> Result<(), StepError> {
    let broken = |what: &str| Err(StepError::new(Step::Verify, what));
    let (uid, gid) = (getuid(), getgid());
    if uid.is_root() || gid.is_root() || geteuid() != uid || getegid() != gid {
        return broken("the code would run as root");
    }
    if getpid().as_raw_nonzero().get() == 1 {
        return broken("the code would be pid 1");
    }
    let held = capabilities(None).map_err(|error| StepError::new(Step::Verify, error))?;
    if held.effective | held.permitted | held.inheritable != CapabilitySet::empty() {
        return broken("capabilities are left");
    }
    if no_new_privs() != Ok(true) {
        return broken("no_new_privs is not set");
    }
    if secure_computing_mode() != Ok(SecureComputingMode::Filter) && !is_removed(Wall::Seccomp) {
        return broken("no seccomp filter is in force");
    }
    if dumpable_behavior() != Ok(memory) {
        return broken("whether the process is dumpable is not as it should be");
    }
    if !matches!(getrlimit(Resource::Core).maximum, Some(0 | 1)) || getrlimit(Resource::Nofile).maximum.is_none() {
        return broken("resource limits are not in force");
    }
    if !spawn.allow_jit && sys::executable_memory_refused() == Some(false) {
        return broken("memory may become executable");
    }
    match means {
        Means::Container => container_attempts()?,
        Means::Root | Means::UserNamespace => attempts()?,
    }
    network_attempts(&spawn.network)
}

/// A datagram to nobody would be the way out that no proxy sees.
fn network_attempts(network: &Network) -> Result<(), StepError> {
    if is_removed(Wall::Seccomp) || *network == Network::All {
        return Ok(());
    }
    refused("a UDP socket", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err(), libc::EPERM)?;
    let unconnected = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).err();
    match network {
        Network::None => refused("a TCP socket", unconnected, libc::EPERM),
        // Landlock or the filter refuses it; before Landlock's fourth version the namespace alone bounds who comes.
        _ if sys::landlock_abi() < 4 || is_removed(Wall::Landlock) => Ok(()),
        _ => match unconnected.and_then(|error| error.raw_os_error()) {
            Some(libc::EACCES | libc::EPERM) => Ok(()),
            other => Err(StepError::new(Step::Verify, format_args!("listening for connections: {other:?}"))),
        },
    }
}

fn refused(what: &str, error: Option<io::Error>, by: i32) -> Result<(), StepError> {
    match error {
        Some(error) if error.raw_os_error() == Some(by) => Ok(()),
        Some(error) => Err(StepError::new(Step::Verify, format_args!("{what}: refused, but with {error}"))),
        None => Err(StepError::new(Step::Verify, format_args!("{what} was allowed"))),
    }
}

/// A file that anybody could read, if Landlock were not in force.
fn witness(path: &str) -> Result<(), StepError> {
    match fs::read(path) {
        Ok(_) if is_removed(Wall::Landlock) => Ok(()),
        answer => refused("reading outside the granted folders", answer.err(), libc::EACCES),
    }
}

/// The same where there is no mount of our own: Landlock alone says what may be opened.
fn container_attempts() -> Result<(), StepError> {
    witness("/proc/version")?;
    refused("writing outside the granted folders", fs::write("/.written", b"").err(), libc::EACCES)?;
    if !is_removed(Wall::Seccomp) {
        refused("a socket", std::os::unix::net::UnixDatagram::unbound().err(), libc::EPERM)?;
    }
    let signalled = rustix::process::getppid().map(rustix::process::test_kill_process);
    refused("signalling the warden", signalled.and_then(Result::err).map(Into::into), libc::EPERM)
}

/// Each must be refused by a wall of its own.
fn attempts() -> Result<(), StepError> {
    if !is_removed(Wall::Seccomp) {
        refused("a new user namespace", sys::unshare_namespaces(CloneFlags::USER).err(), libc::EPERM)?;
    }
    witness(root::LANDLOCK_WITNESS)?;
    refused("writing to the root", fs::write("/.written", b"").err(), libc::EROFS).or_else(|_| {
        // Landlock may answer before the read-only mount does.
        refused("writing to the root", fs::write("/.written", b"").err(), libc::EACCES)
    })?;
    match Path::new(root::HOST_PROC).join("self").symlink_metadata() {
        Ok(_) => Err(StepError::new(Step::Verify, "the host's /proc is visible")),
        Err(_) => Ok(()),
    }
}
