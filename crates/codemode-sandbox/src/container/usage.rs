//! How full the folders are: the declared substitute for a quota where there is no mount of one's own.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::fs::{self, CWD, Mode, OFlags, fstatfs};

use super::{SANDBOX, TEMPORARY, files, stage};

/// `f_type` of a tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// One folder and what it may hold.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) name: &'static str,
    folder: OwnedFd,
    limit: u64,
    /// A file system of its own says itself what is used, unlinked files included; elsewhere the files are counted.
    own: bool,
}

impl Bounded {
    pub(super) fn new(name: &'static str, folder: OwnedFd, limit: u64, own: bool) -> Self {
        Self { name, folder, limit, own }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(super) fn is_overfull(&self) -> bool {
        let used = match self.own {
            true => used(&self.folder),
            false => files::occupied(self.folder.as_fd()),
        };
        used > self.limit
    }
}

fn used(folder: &OwnedFd) -> u64 {
    let Ok(status) = fstatfs(folder) else { return 0 };
    status.f_blocks.saturating_sub(status.f_bfree).saturating_mul(u64::try_from(status.f_bsize).unwrap_or(4096))
}

/// The folder by name only: its owner may have shut it.
pub(super) fn hold(path: &str) -> rustix::io::Result<OwnedFd> {
    fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Whether a folder is the root of a tmpfs that nothing else shares.
pub fn is_tmpfs_of_its_own(path: &str) -> bool {
    // By name: the folder may be shut, being another execution's.
    let is_tmpfs = hold(path).and_then(fstatfs).is_ok_and(|kind| u64::try_from(kind.f_type) == Ok(TMPFS));
    is_tmpfs && stage::is_mount(Path::new(path))
}

/// Which of the folders live in memory, each file system once: what they hold counts as memory.
pub(super) fn in_memory() -> Vec<OwnedFd> {
    [SANDBOX, TEMPORARY].into_iter().filter(|path| is_tmpfs_of_its_own(path)).filter_map(|path| hold(path).ok()).collect()
}

/// What stands in for a quota here, in words; `None` where every folder is a tmpfs of its own.
pub fn substitute() -> Option<String> {
    let loose: Vec<_> = [SANDBOX, TEMPORARY].into_iter().filter(|path| !is_tmpfs_of_its_own(path)).collect();
    match loose.is_empty() {
        true => None,
        false => Some(format!(
            "{} {} no tmpfs: a watch over the size of the files, and RLIMIT_FSIZE for each",
            loose.join(" and "),
            if loose.len() == 1 { "is" } else { "are" }
        )),
    }
}
