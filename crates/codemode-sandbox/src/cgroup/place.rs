//! Where in a hierarchy a driver's cgroups are.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The folder that holds a driver's cgroups: `codemode-<pid>.<driver>`.
const PREFIX: &str = "codemode-";

/// The number of the next driver: two in one process do not share a folder, so one's end is not the other's.
pub(super) fn next_driver() -> u64 {
    static DRIVERS: AtomicU64 = AtomicU64::new(0);
    DRIVERS.fetch_add(1, Ordering::Relaxed)
}

/// The folder of one driver of this daemon below `parent`. Folders of daemons that died without cleaning up are removed.
pub(super) fn own_base(parent: &Path, driver: u64) -> PathBuf {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('.'));
        let owner = numbers.and_then(|(pid, _)| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove_below(&entry.path());
        }
    }
    parent.join(format!("{PREFIX}{}.{driver}", std::process::id()))
}

pub(super) fn remove_below(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
    let _ = fs::remove_dir(base);
}

/// Where a file system of `kind` is mounted, of those whose options name `option` if given.
pub(super) fn mount_point(kind: &str, option: Option<&str>) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mounts").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        let fits = found == kind && option.is_none_or(|option| options.split(',').any(|entry| entry == option));
        fits.then(|| PathBuf::from(path))
    })
}

/// This process's own place: the path behind `controller` in /proc/self/cgroup, empty for v2.
pub(super) fn own_path(controller: &str) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then(|| PathBuf::from(path.trim_start_matches('/')))
    })
}
