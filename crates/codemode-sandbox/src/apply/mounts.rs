//! Mounts by descriptor: made detached, hardened, then attached, so that none is ever visible half done.

use std::{
    fmt::Write as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{self, CWD, Mode, OFlags},
    io,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
        fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
    },
};

use super::{Step, StepError, error::AtStep};
use crate::sys::{AttributeChange, MountAttributes, set_mount_attributes};

/// What every mount of a sandbox has.
pub(super) const BASE: MountAttributes = MountAttributes::NO_SUID.and(MountAttributes::NO_DEV);
/// A part of the host: readable, and where it holds programs or libraries, executable.
pub(super) const PROGRAMS: MountAttributes = BASE.and(MountAttributes::READ_ONLY);
pub(super) const DATA: MountAttributes = PROGRAMS.and(MountAttributes::NO_EXEC);
/// A writable folder never holds programs.
pub(super) const SCRATCH: MountAttributes = BASE.and(MountAttributes::NO_EXEC);
/// A device node works only without nodev.
pub(super) const DEVICE: MountAttributes = MountAttributes::NO_SUID.and(MountAttributes::NO_EXEC);

/// A detached copy of what is mounted at `path`, hardened.
pub(super) fn copy_of(
    path: &Path,
    recursive: bool,
    attributes: MountAttributes,
    step: Step,
) -> Result<OwnedFd, StepError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(CWD, path, flags).at(step, path.display())?;
    harden(mount.as_fd(), attributes, recursive).at(step, path.display())?;
    Ok(mount)
}

pub(super) fn harden(mount: BorrowedFd<'_>, attributes: MountAttributes, recursive: bool) -> std::io::Result<()> {
    set_mount_attributes(mount, AttributeChange { set: attributes, private: true, recursive, owners: None })
}

/// Makes the files of a detached mount belong to whom the user namespace maps their owner to.
pub(super) fn map_owners(mount: BorrowedFd<'_>, owners: BorrowedFd<'_>) -> std::io::Result<()> {
    let set = MountAttributes::default();
    set_mount_attributes(mount, AttributeChange { set, private: false, recursive: false, owners: Some(owners) })
}

/// A detached file system with its own options; an option without a value is a flag.
pub(super) fn new_filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttributes) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        match value.is_empty() {
            true => fsconfig_set_flag(context.as_fd(), *key)?,
            false => fsconfig_set_string(context.as_fd(), *key, *value)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::from_bits_retain(attributes.0 as _);
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Whether a /proc can be mounted in the namespaces of the caller. Makes system calls only.
pub fn can_mount_proc() -> bool {
    new_filesystem("proc", &[("subset", "pid")], SCRATCH).is_ok()
}

/// A tmpfs of at most `bytes` and `inodes`, owned by `uid`.
pub(super) fn new_tmpfs(bytes: u64, inodes: u64, mode: &str, uid: u32) -> io::Result<OwnedFd> {
    let mut numbers = [String::new(), String::new(), String::new()];
    // Writing to a String cannot fail.
    let _ = write!(numbers[0], "{bytes}");
    let _ = write!(numbers[1], "{inodes}");
    let _ = write!(numbers[2], "{uid}");
    let [size, inodes, owner] = &numbers;
    new_filesystem(
        "tmpfs",
        &[("size", size), ("nr_inodes", inodes), ("mode", mode), ("uid", owner), ("gid", owner)],
        SCRATCH,
    )
}

pub(super) fn attach(mount: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    move_mount(mount, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

pub(super) fn detach(target: &Path) -> io::Result<()> {
    unmount(target, UnmountFlags::DETACH)
}

/// The directory at the root of a mount, for reading through it.
pub(super) fn open_root(mount: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fs::openat(mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
