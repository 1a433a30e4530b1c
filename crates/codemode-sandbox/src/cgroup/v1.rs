//! cgroup v1: a folder per controller.

use std::{fs, os::fd::OwnedFd, path::PathBuf};

use rustix::event::{EventfdFlags, eventfd};

use super::{CgroupError, CgroupLimits, mount_point, own_base, own_path, write};

/// The order of folders.
pub(super) const MEMORY: usize = 0;
pub(super) const PIDS: usize = 1;
pub(super) const CPU: usize = 2;
pub(super) const CPUACCT: usize = 3;

const NAMES: [&str; 4] = ["memory", "pids", "cpu", "cpuacct"];

/// Length of a CPU accounting period, in microseconds; the kernel's own default.
const PERIOD_MICROS: f64 = 100_000.0;

#[derive(Debug)]
pub(super) struct Controllers {
    bases: Vec<PathBuf>,
}

impl Controllers {
    pub(super) fn find(driver: u64) -> Result<Self, String> {
        let bases = NAMES.iter().map(|name| base(name, driver)).collect::<Result<Vec<_>, String>>()?;
        Ok(Self { bases })
    }

    pub(super) fn bases(&self) -> Vec<PathBuf> {
        self.bases.clone()
    }

    /// cpu and cpuacct may be one hierarchy: its folder is then there once.
    pub(super) fn folders(&self, name: &str) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.bases.iter().map(|base| base.join(name)).collect();
        folders.dedup();
        folders
    }

    pub(super) fn limit(&self, name: &str, limits: &CgroupLimits) -> Result<(), CgroupError> {
        let file = |controller: usize, file: &str| self.bases[controller].join(name).join(file);
        let memory = limits.memory_bytes.to_string();
        write(file(MEMORY, "memory.limit_in_bytes"), &memory)?;
        let with_swap = file(MEMORY, "memory.memsw.limit_in_bytes");
        if with_swap.exists() {
            write(with_swap, &memory)?;
        }
        write(file(PIDS, "pids.max"), &limits.processes.to_string())?;
        let quota = (limits.cpus * PERIOD_MICROS).clamp(1_000.0, 1e12) as u64;
        write(file(CPU, "cpu.cfs_period_us"), &(PERIOD_MICROS as u64).to_string())?;
        write(file(CPU, "cpu.cfs_quota_us"), &quota.to_string())
    }

    /// An eventfd that the kernel bumps at each out-of-memory event: v1 kills one process, not the group.
    pub(super) fn oom_event(&self, name: &str) -> Result<OwnedFd, CgroupError> {
        use std::os::fd::AsRawFd;
        let folder = self.bases[MEMORY].join(name);
        let control = folder.join("memory.oom_control");
        let failed = |path: &PathBuf, source| CgroupError::Io { path: path.clone(), source };
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| failed(&control, error.into()))?;
        let opened = fs::File::open(&control).map_err(|error| failed(&control, error))?;
        write(folder.join("cgroup.event_control"), &format!("{} {}", event.as_raw_fd(), opened.as_raw_fd()))?;
        Ok(event)
    }
}

/// The driver's folder in one controller: below its own cgroup, or at the top where that is not to be seen.
fn base(controller: &str, driver: u64) -> Result<PathBuf, String> {
    let mount = mount_point("cgroup", Some(controller)).ok_or_else(|| format!("{controller} is not mounted"))?;
    let own = own_path(controller).map(|path| mount.join(path)).filter(|path| path.is_dir());
    let mut reason = String::new();
    for parent in own.into_iter().chain([mount]) {
        let base = own_base(&parent, driver);
        match fs::create_dir(&base) {
            Ok(()) => return Ok(base),
            Err(_) if base.is_dir() => return Ok(base),
            Err(error) => reason = format!("{}: {error}", base.display()),
        }
    }
    Err(reason)
}
