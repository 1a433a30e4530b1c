//! Control groups: this process's driver, and a group shared by the run and the zygote's ticket.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use codemode_sandbox::cgroup::{Cgroup, CgroupError, CgroupLimits, Driver};

/// The folders are named after this process: engines beside each other share them.
static ENGINES: Mutex<usize> = Mutex::new(0);
static MADE: AtomicU64 = AtomicU64::new(0);

/// One engine's use of the driver. The last one of this process takes the folders away.
#[derive(Debug)]
pub(crate) struct Groups(Driver);

impl Groups {
    pub(crate) fn find() -> Result<Self, CgroupError> {
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        let driver = Driver::find()?;
        *engines += 1;
        Ok(Self(driver))
    }

    /// Blocks.
    pub(crate) fn create(&self, limits: &CgroupLimits) -> Result<SharedCgroup, CgroupError> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let cgroup = self.0.create(&format!("codemode-{}-{number}", std::process::id()), limits)?;
        Ok(SharedCgroup::new(cgroup, self.0.version()))
    }

    /// Takes away what is left, if this is the only engine. Blocks.
    pub(crate) fn clean(&self) {
        let engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        if *engines == 1 {
            self.0.remove_all();
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
        *engines -= 1;
        if *engines == 0 {
            self.0.remove_all();
        }
    }
}

/// Its folders go when everybody is done with it.
#[derive(Clone, Debug)]
pub(crate) struct SharedCgroup {
    owned: Arc<Owned>,
    version: &'static str,
}

#[derive(Debug)]
struct Owned(Option<Cgroup>);

impl SharedCgroup {
    fn new(cgroup: Cgroup, version: &'static str) -> Self {
        Self { owned: Arc::new(Owned(Some(cgroup))), version }
    }

    /// What reports call it.
    pub(crate) fn layer(&self) -> String {
        format!("cgroup {} (memory, pids, cpu)", self.version)
    }

    /// `None` only while the group is being dropped.
    pub(crate) fn get(&self) -> Option<&Cgroup> {
        self.owned.0.as_ref()
    }
}

impl Drop for Owned {
    /// Removing the folders may have to be tried again: not on a thread that serves others.
    fn drop(&mut self) {
        let cgroup = self.0.take();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(cgroup))),
            Err(_) => drop(cgroup),
        }
    }
}
