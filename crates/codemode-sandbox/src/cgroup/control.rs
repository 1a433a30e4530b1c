//! Files of a cgroup.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::{pread, pwrite},
};

use super::CgroupError;

/// Of what is read here the longest is a `cpu.stat`, whose first lines are what is looked for.
const MOST_TEXT: usize = 1024;

/// One that stays open: to read or write it is one call, which does not wait.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    pub(super) fn readable(folder: &Path, name: &str) -> Result<Self, CgroupError> {
        open(folder, name, OFlags::RDONLY).map(Self)
    }

    pub(super) fn writable(folder: &Path, name: &str) -> Result<Self, CgroupError> {
        open(folder, name, OFlags::RDWR).map(Self)
    }

    /// The file is a number.
    pub(super) fn number(&self) -> Option<u64> {
        self.look(|text| text.trim().parse().ok())
    }

    /// The file is lines of a word and a number.
    pub(super) fn keyed(&self, key: &str) -> Option<u64> {
        self.look(|text| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok()))
    }

    pub(super) fn write(&self, value: &str) -> io::Result<()> {
        pwrite(&self.0, value.as_bytes(), 0)?;
        Ok(())
    }

    fn look<T>(&self, found: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut buffer = [0; MOST_TEXT];
        let length = pread(&self.0, &mut buffer, 0).ok()?;
        found(std::str::from_utf8(&buffer[..length]).ok()?)
    }
}

impl std::os::fd::AsFd for Control {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(super) fn open(folder: &Path, name: &str, flags: OFlags) -> Result<OwnedFd, CgroupError> {
    let path = folder.join(name);
    openat(CWD, &path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| CgroupError::Io { path, source: error.into() })
}

/// Sets what is set once.
pub(super) fn write(path: PathBuf, value: &str) -> Result<(), CgroupError> {
    fs::write(&path, value).map_err(|source| CgroupError::Io { path, source })
}
