//! What the daemon reads about a thread that waits: texts, nothing that a text names.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::{ffi::OsStringExt, fs::FileExt},
    path::PathBuf,
};

/// The kernel's own bound for a path, with its end.
const PATH_MAX: usize = 4096;

/// Who tries to start a program.
pub(super) trait Caller {
    /// Where relative paths begin, as it sees it.
    fn folder(&self) -> Option<PathBuf>;
    /// The program that it runs.
    fn program(&self) -> Option<PathBuf>;
}

#[derive(Debug)]
pub(super) struct Thread {
    proc: PathBuf,
}

impl Thread {
    pub(super) fn visible(number: u32) -> Option<Self> {
        (number != 0).then(|| Self { proc: PathBuf::from(format!("/proc/{number}")) })
    }

    /// The path at this address of its memory. `None`: it has no end within the kernel's bound, or cannot be read.
    pub(super) fn path_at(&self, address: u64) -> Option<PathBuf> {
        let memory = File::open(self.proc.join("mem")).ok()?;
        let mut bytes = vec![0; PATH_MAX];
        // What lies behind the path may not be mapped: the part before is read then.
        let length = memory.read_at(&mut bytes, address).ok()?;
        bytes.truncate(length);
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.truncate(end);
        Some(OsString::from_vec(bytes).into())
    }
}

impl Caller for Thread {
    fn folder(&self) -> Option<PathBuf> {
        fs::read_link(self.proc.join("cwd")).ok()
    }

    fn program(&self) -> Option<PathBuf> {
        fs::read_link(self.proc.join("exe")).ok()
    }
}
