//! One question per layer.
#![allow(unsafe_code)] // the probe's short-lived clone

use rustix::thread::CapabilitySet;

use super::{LayerReport, LayerStatus};
use crate::{
    apply::{self, LANDLOCK_FLOOR},
    cgroup::Driver,
    container,
    sys::{self, CloneFlags, Cloned},
};

pub(super) const NAMESPACES: &str = "namespaces";
pub(super) const PROC: &str = "proc";
pub(super) const WARDEN: &str = "warden";
pub(super) const QUOTA: &str = "quota";

pub(super) fn all(rootless: bool) -> Vec<LayerReport> {
    vec![
        LayerReport {
            name: NAMESPACES,
            status: namespaces(rootless),
            why: "the code sees no process, file, socket or host but its own",
        },
        LayerReport {
            name: PROC,
            status: own_proc(rootless),
            why: "the code sees its own processes in /proc, never the host's",
        },
        LayerReport {
            name: WARDEN,
            status: warden(),
            why: "where there are no namespaces, a user id per execution holds it, and what it leaves is ended",
        },
        LayerReport {
            name: "landlock",
            status: landlock(),
            why: "files and programs outside the policy stay shut, for every descendant",
        },
        LayerReport { name: "seccomp", status: seccomp(), why: "most of the kernel's calls do not exist for the code" },
        LayerReport {
            name: "cgroup",
            status: cgroup(rootless),
            why: "memory, CPU and processes of an execution are bounded together",
        },
        LayerReport {
            name: QUOTA,
            status: match container::usage::substitute() {
                None => LayerStatus::Found("/sandbox and /tmp are file systems of their own".into()),
                Some(watch) => LayerStatus::Substituted(watch),
            },
            why: "no more is written than the policy says",
        },
        LayerReport {
            name: "mdwe",
            status: executable_memory(),
            why: "no memory becomes executable: no native code of the code's own making",
        },
    ]
}

/// Mounts a /proc in new namespaces and goes away again.
fn own_proc(rootless: bool) -> LayerStatus {
    // SAFETY: the child makes system calls only and ends; it takes no lock and allocates nothing.
    match unsafe { sys::clone_process(namespace_flags(rootless)) } {
        Ok(Cloned::Child) => sys::exit_now(i32::from(!apply::can_mount_proc())),
        Ok(Cloned::Parent { pid, .. }) => match sys::wait_for_pid(pid) {
            Ok(Some(reaped)) if reaped.status == 0 => LayerStatus::Found("of the sandbox's own pid namespace".into()),
            _ => LayerStatus::Optional(
                "a container that masks parts of /proc lets nobody mount an unmasked one: the code has no /proc".into(),
            ),
        },
        Err(error) => LayerStatus::Optional(error.to_string()),
    }
}

const fn namespace_flags(rootless: bool) -> CloneFlags {
    if rootless { CloneFlags::USER.and(CloneFlags::CELL) } else { CloneFlags::CELL }
}

/// Makes a process in new namespaces that uses a right it only has there.
fn namespaces(rootless: bool) -> LayerStatus {
    // SAFETY: the child makes one system call and ends; it takes no lock and allocates nothing.
    match unsafe { sys::clone_process(namespace_flags(rootless)) } {
        Ok(Cloned::Child) => {
            let works = rustix::system::sethostname(b"probe").is_ok();
            sys::exit_now(i32::from(!works))
        }
        Ok(Cloned::Parent { pid, .. }) => match sys::wait_for_pid(pid) {
            Ok(Some(reaped)) if reaped.status == 0 => LayerStatus::Found(found(rootless).into()),
            _ => LayerStatus::Missing(
                "user namespaces are made without rights here (a security module such as AppArmor)".into(),
            ),
        },
        Err(error) => LayerStatus::Missing(format!("{error}: {}", advice(rootless))),
    }
}

/// Takes the credentials of a warden, in a process that ends.
fn warden() -> LayerStatus {
    if !rustix::process::geteuid().is_root() {
        return LayerStatus::Missing("not uid 0".into());
    }
    let held = rustix::thread::capabilities(None).map(|held| held.effective).unwrap_or(CapabilitySet::empty());
    for (needed, name) in
        [(CapabilitySet::CHOWN, "CHOWN"), (CapabilitySet::SETUID, "SETUID"), (CapabilitySet::SETGID, "SETGID")]
    {
        if !held.contains(needed) {
            return LayerStatus::Missing(format!("CAP_{name} is not effective"));
        }
    }
    // SAFETY: the child makes system calls only and ends; it takes no lock and allocates nothing.
    match unsafe { sys::clone_process(CloneFlags::NONE) } {
        Ok(Cloned::Child) => sys::exit_now(i32::from(!container::warden::can_become(container::LAST_USER))),
        Ok(Cloned::Parent { pid, .. }) => match sys::wait_for_pid(pid) {
            Ok(Some(reaped)) if reaped.status == 0 => LayerStatus::Found("a user id per execution".into()),
            _ => LayerStatus::Missing(format!(
                "user ids up to {} are not mapped here (a user namespace of the container engine)",
                container::warden_of(container::LAST_USER)
            )),
        },
        Err(error) => LayerStatus::Missing(error.to_string()),
    }
}

const fn found(rootless: bool) -> &'static str {
    if rootless { "by an unprivileged user namespace" } else { "as root, without a user namespace" }
}

const fn advice(rootless: bool) -> &'static str {
    match rootless {
        true => "allow unprivileged user namespaces (user.max_user_namespaces), or run as root",
        false => "give CAP_SYS_ADMIN, or run as a user who may create user namespaces",
    }
}

fn landlock() -> LayerStatus {
    match sys::landlock_abi() {
        0 => LayerStatus::Missing("this kernel has it not, or not switched on (lsm=landlock)".into()),
        abi if abi < LANDLOCK_FLOOR => {
            LayerStatus::Missing(format!("ABI {abi}; {LANDLOCK_FLOOR} is needed (Linux 6.2)"))
        }
        abi => LayerStatus::Found(format!("ABI {abi}")),
    }
}

fn seccomp() -> LayerStatus {
    let needed = [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_ERRNO, libc::SECCOMP_RET_ALLOW];
    match needed.into_iter().all(sys::seccomp_action_available) {
        true => LayerStatus::Found("filter".into()),
        false => LayerStatus::Missing("this kernel has no seccomp filters".into()),
    }
}

fn cgroup(rootless: bool) -> LayerStatus {
    let watch = "a watch over the sandbox's processes and folders (memory, CPU), RLIMIT_AS, RLIMIT_NPROC, RLIMIT_CPU";
    if !std::path::Path::new("/proc/thread-self/children").exists() {
        // The substitute could not see more than the first process.
        return match Driver::find() {
            Ok(driver) if !rootless => found_cgroup(&driver),
            _ => LayerStatus::Missing("no cgroup to write, and this kernel lists no children in /proc".into()),
        };
    }
    if rootless {
        return LayerStatus::Substituted(watch.into());
    }
    match Driver::find() {
        Ok(driver) => found_cgroup(&driver),
        Err(error) => LayerStatus::Substituted(format!("{watch} ({error})")),
    }
}

fn found_cgroup(driver: &Driver) -> LayerStatus {
    driver.remove_all();
    LayerStatus::Found(driver.version().into())
}

fn executable_memory() -> LayerStatus {
    match sys::executable_memory_refused() {
        Some(_) => LayerStatus::Found("PR_SET_MDWE".into()),
        None => LayerStatus::Optional("Linux 6.3 has it".into()),
    }
}
