//! cgroup v2: one folder, controllers enabled from above.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    CgroupError, CgroupLimits, Counters,
    control::{Control, write},
    place::{mount_point, own_base, own_path},
};

const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Where a process joins by writing 0. Threads cannot join alone here.
pub(super) const JOIN: &str = "cgroup.procs";

/// The kernel's own default, in its unit.
pub(super) const FULL_SHARE: u32 = 100;

#[derive(Debug)]
pub(super) struct Base(PathBuf);

impl Base {
    /// At the top of the hierarchy where we may, else below our own cgroup, if that was delegated to us.
    pub(super) fn find(driver: u64) -> Result<Self, String> {
        let mount = mount_point("cgroup2", None).ok_or("not mounted")?;
        let own = own_path("").map(|path| mount.join(path)).filter(|path| path.is_dir());
        let mut reason = String::from("nothing to write to");
        for parent in [Some(mount), own].into_iter().flatten() {
            match prepare(&parent, driver) {
                Ok(base) => return Ok(Self(base)),
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn limit(&self, name: &str, limits: &CgroupLimits) -> Result<(), CgroupError> {
        let folder = self.folder(name);
        write(folder.join("memory.max"), &limits.memory_bytes.to_string())?;
        let swap = folder.join("memory.swap.max");
        if swap.exists() {
            write(swap, "0")?;
        }
        // The kernel kills the whole group, not one process of it.
        write(folder.join("memory.oom.group"), "1")?;
        write(folder.join("pids.max"), &limits.processes.to_string())?;
        let quota = (limits.cpus * 100_000.0).clamp(1_000.0, 1e12) as u64;
        write(folder.join("cpu.max"), &format!("{quota} 100000"))
    }

    pub(super) fn share(&self, name: &str) -> Result<Control, CgroupError> {
        Control::writable(&self.folder(name), "cpu.weight")
    }

    pub(super) fn counters(&self, name: &str) -> Result<Counters, CgroupError> {
        let folder = self.folder(name);
        Ok(Counters {
            out_of_memory: Control::readable(&folder, "memory.events")?,
            // Linux 5.19 has it.
            peak: Control::readable(&folder, "memory.peak").ok(),
            forks: Control::readable(&folder, "pids.events")?,
            tasks: Control::readable(&folder, "pids.current")?,
            cpu: Control::readable(&folder, "cpu.stat")?,
        })
    }
}

fn prepare(parent: &Path, driver: u64) -> Result<PathBuf, String> {
    enable(parent)?;
    let base = own_base(parent, driver);
    match fs::create_dir(&base) {
        Err(error) if !base.is_dir() => return Err(format!("{}: {error}", base.display())),
        _ => {}
    }
    enable(&base).inspect_err(|_| drop(fs::remove_dir(&base)))?;
    Ok(base)
}

/// Makes the controllers available to the children of `folder`.
fn enable(folder: &Path) -> Result<(), String> {
    let read =
        |file: &str| fs::read_to_string(folder.join(file)).map_err(|error| format!("{}: {error}", folder.display()));
    let (available, enabled) = (read("cgroup.controllers")?, read("cgroup.subtree_control")?);
    let has = |list: &str, name: &str| list.split_ascii_whitespace().any(|entry| entry == name);
    for name in CONTROLLERS {
        if !has(&available, name) {
            return Err(format!("{}: the {name} controller is not available", folder.display()));
        }
        if !has(&enabled, name) {
            fs::write(folder.join("cgroup.subtree_control"), format!("+{name}"))
                .map_err(|error| format!("{}: enabling {name}: {error}", folder.display()))?;
        }
    }
    Ok(())
}
