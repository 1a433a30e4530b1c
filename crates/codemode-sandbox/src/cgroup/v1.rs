//! cgroup v1: a folder per controller.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io::{Errno, read},
};

use super::{
    CgroupError, CgroupLimits, Counters, Unfit,
    control::{Control, write},
    place::{mount_point, own_base, own_path},
};

/// The order of folders, and of joining them. Whoever is in any of them is in the first.
const PIDS: usize = 0;
const MEMORY: usize = 1;
const CPU: usize = 2;
const CPUACCT: usize = 3;

const NAMES: [&str; 4] = ["pids", "memory", "cpu", "cpuacct"];

/// Where a thread joins by writing 0. `cgroup.procs` moves a whole process, for which the kernel waits until no process
/// of the machine is in the middle of a fork or an exit: milliseconds. Who joins here is one thread.
pub(super) const JOIN: &str = "tasks";

/// The kernel's own default, in its unit.
pub(super) const FULL_SHARE: u32 = 1024;

/// Length of a CPU accounting period, in microseconds; the kernel's own default.
const PERIOD_MICROS: f64 = 100_000.0;

/// What may still be charged to a cgroup that nobody is in: the kernel keeps up to 64 pages per core charged in advance,
/// and frees what belonged to namespaces a little later.
const MOST_CHARGED: u64 = 1 << 20;

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
        write(file(CPU, "cpu.cfs_period_us"), &(PERIOD_MICROS as u64).to_string())?;
        write(file(CPU, "cpu.cfs_quota_us"), &quota(limits))
    }

    pub(super) fn counters(&self, name: &str) -> Result<Counters, CgroupError> {
        let folder = |controller: usize| self.bases[controller].join(name);
        Ok(Counters {
            out_of_memory: Control::readable(&folder(MEMORY), "memory.oom_control")?,
            peak: Some(Control::writable(&folder(MEMORY), "memory.max_usage_in_bytes")?),
            forks: Control::readable(&folder(PIDS), "pids.events")?,
            tasks: Control::readable(&folder(PIDS), "pids.current")?,
            cpu: Control::writable(&folder(CPUACCT), "cpuacct.usage")?,
        })
    }

    pub(super) fn share(&self, name: &str) -> Result<Control, CgroupError> {
        Control::writable(&self.bases[CPU].join(name), "cpu.shares")
    }

    pub(super) fn renewal(
        &self,
        name: &str,
        limits: &CgroupLimits,
        counters: &Counters,
    ) -> Result<Renewal, CgroupError> {
        let folder = |controller: usize| self.bases[controller].join(name);
        Ok(Renewal {
            oom_event: self.oom_event(name, counters)?,
            charged: Control::readable(&folder(MEMORY), "memory.usage_in_bytes")?,
            throttling: Control::readable(&folder(CPU), "cpu.stat")?,
            quota: Control::writable(&folder(CPU), "cpu.cfs_quota_us")?,
            full_quota: quota(limits),
            memory_limit: limits.memory_bytes,
        })
    }

    /// An eventfd that the kernel bumps at each out-of-memory event: v1 kills one process, not the group.
    fn oom_event(&self, name: &str, counters: &Counters) -> Result<OwnedFd, CgroupError> {
        let control = self.bases[MEMORY].join(name).join("cgroup.event_control");
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| CgroupError::Io { path: control.clone(), source: error.into() })?;
        let watched = counters.out_of_memory.as_fd().as_raw_fd();
        write(control, &format!("{} {watched}", event.as_raw_fd()))?;
        Ok(event)
    }
}

/// What it takes to use a cgroup again.
#[derive(Debug)]
pub(super) struct Renewal {
    oom_event: OwnedFd,
    charged: Control,
    throttling: Control,
    quota: Control,
    full_quota: String,
    memory_limit: u64,
}

impl Renewal {
    pub(super) fn oom_event(&self) -> BorrowedFd<'_> {
        self.oom_event.as_fd()
    }

    /// Whether nobody is in it, and those who were met none of its limits. Nobody in it, nothing of this changes any more.
    pub(super) fn check(&self, counters: &Counters) -> Result<(), Unfit> {
        match counters.tasks.number() {
            Some(0) => {}
            Some(count) => return Err(Unfit::Occupied(count)),
            None => return Err(Unfit::Unreadable),
        }
        let kills = counters.out_of_memory.keyed("oom_kill").ok_or(Unfit::Unreadable)?;
        let stuck = counters.out_of_memory.keyed("under_oom").ok_or(Unfit::Unreadable)?;
        let peak = counters.peak.as_ref().and_then(Control::number).ok_or(Unfit::Unreadable)?;
        // A limit that was met without a kill: charges come in batches, so the peak may stay just below it.
        let met = peak.saturating_add(MOST_CHARGED) > self.memory_limit;
        if kills > 0 || stuck > 0 || met || self.oom_happened()? {
            return Err(Unfit::Memory);
        }
        if counters.forks.keyed("max").ok_or(Unfit::Unreadable)? > 0 {
            return Err(Unfit::Processes);
        }
        if self.throttling.keyed("nr_throttled").ok_or(Unfit::Unreadable)? > 0 {
            return Err(Unfit::Throttled);
        }
        Ok(())
    }

    /// As good as new, or not to be used.
    pub(super) fn renew(&self, counters: &Counters) -> Result<(), Unfit> {
        self.check(counters)?;
        match self.charged.number() {
            Some(bytes) if bytes <= MOST_CHARGED => {}
            Some(bytes) => return Err(Unfit::Charged(bytes)),
            None => return Err(Unfit::Unreadable),
        }
        let peak = counters.peak.as_ref().ok_or(Unfit::Unreadable)?;
        peak.write("0").map_err(|_| Unfit::Unreadable)?;
        counters.cpu.write("0").map_err(|_| Unfit::Unreadable)?;
        // Fills it up again: what the last one has used of this period is not missing to the next.
        self.quota.write(&self.full_quota).map_err(|_| Unfit::Unreadable)
    }

    /// Takes the event, if there was one.
    fn oom_happened(&self) -> Result<bool, Unfit> {
        match read(&self.oom_event, &mut [0; 8]) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(_) => Err(Unfit::Unreadable),
        }
    }
}

fn quota(limits: &CgroupLimits) -> String {
    let micros = (limits.cpus * PERIOD_MICROS).clamp(1_000.0, 1e12) as u64;
    micros.to_string()
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
