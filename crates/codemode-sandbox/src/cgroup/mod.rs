//! Memory, processes and CPU of an execution, accounted and bounded by the kernel. One driver, two versions.

mod control;
mod place;
mod v1;
mod v2;

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::fs::OFlags;
use thiserror::Error;

use self::control::Control;

/// What a cgroup bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CgroupLimits {
    pub memory_bytes: u64,
    /// Processes and threads, the sandbox's init included.
    pub processes: u64,
    pub cpus: f64,
}

#[derive(Debug, Error)]
pub enum CgroupError {
    #[error("no cgroup hierarchy with memory, pids and cpu can be written: {0}")]
    NotFound(String),
    #[error("cgroup {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Why a cgroup is not to be used again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    #[error("a cgroup v2 is used once")]
    Version,
    #[error("{0} processes and threads are in it")]
    Occupied(u64),
    #[error("its memory limit was met")]
    Memory,
    #[error("its limit of processes was met")]
    Processes,
    #[error("it had to wait for its CPU quota")]
    Throttled,
    #[error("{0} bytes are still charged to it")]
    Charged(u64),
    #[error("its state cannot be read or set")]
    Unreadable,
}

/// Makes cgroups below one folder per controller (v1) or one folder (v2), named after this process.
#[derive(Clone, Debug)]
pub struct Driver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hierarchy: Hierarchy,
    /// Folders that could not be removed yet.
    leftover: Mutex<Vec<PathBuf>>,
}

#[derive(Debug)]
enum Hierarchy {
    V1(v1::Controllers),
    V2(v2::Base),
}

/// The cgroup of one execution at a time. Dropping it removes it; what still holds it is retried later.
#[derive(Debug)]
pub struct Cgroup {
    limits: CgroupLimits,
    members: Vec<OwnedFd>,
    counters: Counters,
    /// What its share of a busy processor is written to, and how much that is for one that runs code.
    share: Control,
    full_share: u32,
    /// v1 only.
    renewal: Option<v1::Renewal>,
    /// Last: its folders are removed when none of their files is open any more.
    _folders: Folders,
}

/// What is read of every execution.
#[derive(Debug)]
struct Counters {
    out_of_memory: Control,
    peak: Option<Control>,
    forks: Control,
    tasks: Control,
    cpu: Control,
}

/// One per controller (v1), or one (v2).
#[derive(Debug)]
struct Folders {
    shared: Arc<Shared>,
    paths: Vec<PathBuf>,
}

impl Driver {
    /// Finds a hierarchy this process may write, v2 first.
    pub fn find() -> Result<Self, CgroupError> {
        let driver = place::next_driver();
        let mut reasons = Vec::new();
        let hierarchy = match v2::Base::find(driver) {
            Ok(base) => Some(Hierarchy::V2(base)),
            Err(reason) => {
                reasons.push(format!("v2: {reason}"));
                v1::Controllers::find(driver)
                    .map_err(|reason| reasons.push(format!("v1: {reason}")))
                    .ok()
                    .map(Hierarchy::V1)
            }
        };
        match hierarchy {
            Some(hierarchy) => Ok(Self { shared: Arc::new(Shared { hierarchy, leftover: Mutex::default() }) }),
            None => Err(CgroupError::NotFound(reasons.join("; "))),
        }
    }

    /// `v1` or `v2`.
    pub fn version(&self) -> &'static str {
        match self.shared.hierarchy {
            Hierarchy::V1(_) => "v1",
            Hierarchy::V2(_) => "v2",
        }
    }

    /// Whether its cgroups can be used again. On v2 they cannot: the peak of memory cannot be set back before Linux 6.12,
    /// and then for each reader only, and a count of kills never.
    pub fn renews(&self) -> bool {
        matches!(self.shared.hierarchy, Hierarchy::V1(_))
    }

    /// Blocks for moments.
    pub fn create(&self, name: &str, limits: &CgroupLimits) -> Result<Cgroup, CgroupError> {
        self.shared.sweep();
        let paths = match &self.shared.hierarchy {
            Hierarchy::V1(controllers) => controllers.folders(name),
            Hierarchy::V2(base) => vec![base.folder(name)],
        };
        let folders = Folders { shared: self.shared.clone(), paths };
        for path in &folders.paths {
            fs::create_dir(path).map_err(|source| CgroupError::Io { path: path.clone(), source })?;
        }
        let (counters, renewal, join, share, full_share) = match &self.shared.hierarchy {
            Hierarchy::V1(controllers) => {
                controllers.limit(name, limits)?;
                let counters = controllers.counters(name)?;
                let renewal = controllers.renewal(name, limits, &counters)?;
                (counters, Some(renewal), v1::JOIN, controllers.share(name)?, v1::FULL_SHARE)
            }
            Hierarchy::V2(base) => {
                base.limit(name, limits)?;
                (base.counters(name)?, None, v2::JOIN, base.share(name)?, v2::FULL_SHARE)
            }
        };
        let members = folders.paths.iter().map(|path| control::open(path, join, OFlags::WRONLY));
        let members = members.collect::<Result<Vec<_>, CgroupError>>()?;
        Ok(Cgroup { limits: *limits, members, counters, share, full_share, renewal, _folders: folders })
    }

    /// Removes what is left of this driver's cgroups; for the end of the daemon.
    pub fn remove_all(&self) {
        self.shared.sweep();
        for base in self.shared.bases() {
            place::remove_below(&base);
        }
    }
}

impl Shared {
    fn bases(&self) -> Vec<PathBuf> {
        match &self.hierarchy {
            Hierarchy::V1(controllers) => controllers.bases(),
            Hierarchy::V2(base) => vec![base.path().to_owned()],
        }
    }

    fn sweep(&self) {
        let mut leftover = self.leftover.lock().unwrap_or_else(PoisonError::into_inner);
        leftover.retain(|folder| !removed(folder));
    }
}

impl Cgroup {
    pub fn limits(&self) -> &CgroupLimits {
        &self.limits
    }

    /// What a process of one thread writes "0" to, each in this order, to join.
    pub fn members(&self) -> Vec<BorrowedFd<'_>> {
        self.members.iter().map(AsFd::as_fd).collect()
    }

    /// Becomes readable when the kernel killed for want of memory (v1; v2 kills the whole group by itself).
    pub fn oom_event(&self) -> Option<BorrowedFd<'_>> {
        self.renewal.as_ref().map(v1::Renewal::oom_event)
    }

    pub fn oom_killed(&self) -> bool {
        self.counters.out_of_memory.keyed("oom_kill").is_some_and(|count| count > 0)
    }

    /// Where processors are contended, it gets an eighth of what another one gets, until it is `restored`.
    pub fn give_way(&self) -> io::Result<()> {
        self.share.write(&(self.full_share / 8).to_string())
    }

    /// It gets as much as any other.
    pub fn restore(&self) -> io::Result<()> {
        self.share.write(&self.full_share.to_string())
    }

    /// Bytes, files on tmpfs included.
    pub fn peak_memory(&self) -> Option<u64> {
        self.counters.peak.as_ref()?.number()
    }

    /// Whether a fork was refused for want of a place.
    pub fn pids_limit_hit(&self) -> bool {
        self.counters.forks.keyed("max").is_some_and(|count| count > 0)
    }

    /// How many threads are in it, those included that have ended and were not waited for.
    pub fn tasks(&self) -> Option<u64> {
        self.counters.tasks.number()
    }

    pub fn cpu_time(&self) -> Option<Duration> {
        match self.renewal {
            Some(_) => self.counters.cpu.number().map(Duration::from_nanos),
            None => self.counters.cpu.keyed("usage_usec").map(Duration::from_micros),
        }
    }

    /// Whether it may be kept for another execution: nobody is in it, and who was met no limit. Does not block.
    pub fn check(&self) -> Result<(), Unfit> {
        self.renewal.as_ref().ok_or(Unfit::Version)?.check(&self.counters)
    }

    /// Makes it as good as new, right before it is used again. Does not block.
    pub fn renew(&self) -> Result<(), Unfit> {
        self.renewal.as_ref().ok_or(Unfit::Version)?.renew(&self.counters)?;
        // Of one that was given up while it gave way.
        self.restore().map_err(|_| Unfit::Unreadable)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        let left: Vec<_> = self.paths.drain(..).filter(|folder| !removed(folder)).collect();
        self.shared.leftover.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
    }
}

/// A cgroup is removed as a folder, its files by themselves; busy while a zombie is in it.
fn removed(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
