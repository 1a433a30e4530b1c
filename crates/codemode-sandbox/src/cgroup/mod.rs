//! Memory, processes and CPU of an execution, accounted and bounded by the kernel. One driver, two versions.

mod v1;
mod v2;

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use thiserror::Error;

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

/// The cgroup of one execution. Dropping it removes it; what still holds it is retried later.
#[derive(Debug)]
pub struct Cgroup {
    shared: Arc<Shared>,
    /// One per controller (v1), or one (v2).
    folders: Vec<PathBuf>,
    procs: Vec<OwnedFd>,
    oom_event: Option<OwnedFd>,
}

/// The folder that holds a driver's cgroups: `codemode-<pid>.<driver>`.
const PREFIX: &str = "codemode-";

impl Driver {
    /// Finds a hierarchy this process may write, v2 first.
    pub fn find() -> Result<Self, CgroupError> {
        let driver = next_driver();
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

    pub fn create(&self, name: &str, limits: &CgroupLimits) -> Result<Cgroup, CgroupError> {
        self.shared.sweep();
        let folders = match &self.shared.hierarchy {
            Hierarchy::V1(controllers) => controllers.folders(name),
            Hierarchy::V2(base) => vec![base.folder(name)],
        };
        let mut cgroup =
            Cgroup { shared: self.shared.clone(), folders: folders.clone(), procs: Vec::new(), oom_event: None };
        for folder in &folders {
            fs::create_dir(folder).map_err(|source| CgroupError::Io { path: folder.clone(), source })?;
        }
        match &self.shared.hierarchy {
            Hierarchy::V1(controllers) => {
                controllers.limit(name, limits)?;
                cgroup.oom_event = Some(controllers.oom_event(name)?);
            }
            Hierarchy::V2(base) => base.limit(name, limits)?,
        }
        for folder in &folders {
            cgroup.procs.push(open_procs(folder)?);
        }
        Ok(cgroup)
    }

    /// Removes what is left of this process's cgroups; for the end of the daemon.
    pub fn remove_all(&self) {
        self.shared.sweep();
        for base in self.shared.bases() {
            remove_below(&base);
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

    fn main(&self, folders: &[PathBuf], controller: usize) -> Option<PathBuf> {
        folders.get(controller).or_else(|| folders.last()).cloned()
    }
}

impl Cgroup {
    /// `cgroup.procs` of each folder, writable, for the process that joins.
    pub fn procs(&self) -> Vec<BorrowedFd<'_>> {
        self.procs.iter().map(AsFd::as_fd).collect()
    }

    /// Becomes readable when the kernel killed for want of memory (v1; v2 kills the whole group by itself).
    pub fn oom_event(&self) -> Option<BorrowedFd<'_>> {
        self.oom_event.as_ref().map(AsFd::as_fd)
    }

    pub fn oom_killed(&self) -> bool {
        let file = match self.shared.hierarchy {
            Hierarchy::V1(_) => "memory.oom_control",
            Hierarchy::V2(_) => "memory.events",
        };
        self.keyed(v1::MEMORY, file, "oom_kill").is_some_and(|count| count > 0)
    }

    /// Bytes, files on tmpfs included.
    pub fn peak_memory(&self) -> Option<u64> {
        let file = match self.shared.hierarchy {
            Hierarchy::V1(_) => "memory.max_usage_in_bytes",
            Hierarchy::V2(_) => "memory.peak",
        };
        self.read(v1::MEMORY, file)?.trim().parse().ok()
    }

    /// Whether a fork was refused for want of a place.
    pub fn pids_limit_hit(&self) -> bool {
        self.keyed(v1::PIDS, "pids.events", "max").is_some_and(|count| count > 0)
    }

    pub fn cpu_time(&self) -> Option<Duration> {
        match self.shared.hierarchy {
            Hierarchy::V1(_) => {
                Some(Duration::from_nanos(self.read(v1::CPUACCT, "cpuacct.usage")?.trim().parse().ok()?))
            }
            Hierarchy::V2(_) => Some(Duration::from_micros(self.keyed(0, "cpu.stat", "usage_usec")?)),
        }
    }

    fn read(&self, controller: usize, file: &str) -> Option<String> {
        fs::read_to_string(self.shared.main(&self.folders, controller)?.join(file)).ok()
    }

    fn keyed(&self, controller: usize, file: &str, key: &str) -> Option<u64> {
        let text = self.read(controller, file)?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.procs.clear();
        self.oom_event = None;
        let left: Vec<_> = self.folders.drain(..).filter(|folder| !removed(folder)).collect();
        self.shared.leftover.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
    }
}

fn open_procs(folder: &Path) -> Result<OwnedFd, CgroupError> {
    let path = folder.join("cgroup.procs");
    match fs::OpenOptions::new().write(true).open(&path) {
        Ok(file) => Ok(file.into()),
        Err(source) => Err(CgroupError::Io { path, source }),
    }
}

fn write(path: PathBuf, value: &str) -> Result<(), CgroupError> {
    fs::write(&path, value).map_err(|source| CgroupError::Io { path, source })
}

/// A cgroup is removed as a folder, its files by themselves; busy while a zombie is in it.
fn removed(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn remove_below(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
    let _ = fs::remove_dir(base);
}

/// The number of the next driver: two in one process do not share a folder, so one's end is not the other's.
fn next_driver() -> u64 {
    static DRIVERS: AtomicU64 = AtomicU64::new(0);
    DRIVERS.fetch_add(1, Ordering::Relaxed)
}

/// The folder of one driver of this daemon below `parent`. Folders of daemons that died without cleaning up are removed.
fn own_base(parent: &Path, driver: u64) -> PathBuf {
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

/// Where a file system of `kind` is mounted, of those whose options name `option` if given.
fn mount_point(kind: &str, option: Option<&str>) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mounts").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        let fits = found == kind && option.is_none_or(|option| options.split(',').any(|entry| entry == option));
        fits.then(|| PathBuf::from(path))
    })
}

/// This process's own place: the path behind `controller` in /proc/self/cgroup, empty for v2.
fn own_path(controller: &str) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then(|| PathBuf::from(path.trim_start_matches('/')))
    })
}
