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
    limit: u64,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// A file system of its own says itself what is used, unlinked files included.
    FileSystem(OwnedFd),
    /// The files are counted, in this folder.
    Files(OwnedFd),
    /// The same, in a folder that cannot be opened before it was handed over.
    FilesAt(&'static str),
}

impl Bounded {
    /// A folder that is open already, and shares its file system.
    pub(super) fn of(name: &'static str, folder: OwnedFd, limit: u64) -> Self {
        Self { name, limit, means: Means::Files(folder) }
    }

    pub(super) fn at(path: &'static str, limit: u64) -> rustix::io::Result<Self> {
        let means = match is_tmpfs_of_its_own(path) {
            true => Means::FileSystem(hold(path)?),
            false => Means::FilesAt(path),
        };
        Ok(Self { name: path, limit, means })
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.means {
            Means::FileSystem(folder) | Means::Files(folder) => Some(folder.as_fd()),
            Means::FilesAt(_) => None,
        }
    }

    pub(super) fn is_overfull(&self) -> bool {
        let used = match &self.means {
            Means::FileSystem(folder) => used(folder),
            Means::Files(folder) => files::occupied(folder.as_fd()),
            Means::FilesAt(path) => {
                // Its user may have shut it; where that is another one still, nothing in it is this one's.
                let _ = fs::chmod(*path, Mode::from_raw_mode(0o700));
                files::open_folder(path).map_or(0, |folder| files::occupied(folder.as_fd()))
            }
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
    [SANDBOX, TEMPORARY]
        .into_iter()
        .filter(|path| is_tmpfs_of_its_own(path))
        .filter_map(|path| hold(path).ok())
        .collect()
}

/// What stands in for a quota here, in words; `None` where every folder is a tmpfs of its own.
pub fn substitute() -> Option<String> {
    let loose: Vec<_> = [SANDBOX, TEMPORARY].into_iter().filter(|path| !is_tmpfs_of_its_own(path)).collect();
    let verb = if loose.len() == 1 { "is" } else { "are" };
    let names = loose.join(" and ");
    (!loose.is_empty())
        .then(|| format!("{names} {verb} no tmpfs: a watch over the size of the files, and RLIMIT_FSIZE for each"))
}
