use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// `MOUNT_ATTR_*` of mount_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttributes(pub u64);

impl MountAttributes {
    pub const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    pub const NO_SUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    pub const NO_DEV: Self = Self(libc::MOUNT_ATTR_NODEV);
    pub const NO_EXEC: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct AttributeChange<'a> {
    pub set: MountAttributes,
    /// Make the mount, or the tree, private first.
    pub private: bool,
    pub recursive: bool,
    /// A user namespace whose map says who owns files instead: an idmapped mount.
    pub owners: Option<BorrowedFd<'a>>,
}

/// mount_setattr(2) on the mount that `mount` itself refers to.
pub fn set_mount_attributes(mount: BorrowedFd<'_>, change: AttributeChange<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: change.set.0 | change.owners.map_or(0, |_| libc::MOUNT_ATTR_IDMAP),
        attr_clr: 0,
        propagation: if change.private { libc::MS_PRIVATE } else { 0 },
        userns_fd: change.owners.map_or(0, |owners| u64::try_from(owners.as_raw_fd()).unwrap_or(0)),
    };
    let flags = libc::AT_EMPTY_PATH | if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated literal, the structure outlives the call and its size is its own.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
