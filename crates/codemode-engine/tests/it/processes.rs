//! What runs on this machine, as /proc tells.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::harness::interpreter;

/// Pids of processes for which `wanted` says so of their /proc folder.
pub(crate) fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid: &i32| wanted(Path::new(&format!("/proc/{pid}")))).collect()
}

pub(crate) fn status_field(process: &Path, name: &str) -> Option<i64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// This process's own zygotes that were started by this name.
pub(crate) fn zygotes_of(interpreter: &Path) -> Vec<i32> {
    let us = i64::from(std::process::id());
    processes(|process| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        line.starts_with(interpreter.as_os_str().as_encoded_bytes()) && status_field(process, "PPid") == Some(us)
    })
}

/// An interpreter under a name of its own, which tells its zygotes from those of the tests beside it.
pub(crate) struct Named {
    folder: tempfile::TempDir,
}

impl Named {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(interpreter(), folder.path().join("python3")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("python3")
    }

    pub(crate) fn zygotes(&self) -> Vec<i32> {
        zygotes_of(&self.path())
    }

    pub(crate) async fn await_zygotes(&self, wanted: &[i32]) {
        while self.zygotes() != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
