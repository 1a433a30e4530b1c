//! A control group shared by the run and the zygote's ticket; its folders go when both are done with it.

use std::sync::Arc;

use codemode_sandbox::cgroup::Cgroup;

#[derive(Clone, Debug)]
pub(crate) struct SharedCgroup(Arc<Owned>);

#[derive(Debug)]
struct Owned(Option<Cgroup>);

impl SharedCgroup {
    pub(crate) fn new(cgroup: Cgroup) -> Self {
        Self(Arc::new(Owned(Some(cgroup))))
    }

    /// `None` only while the group is being dropped.
    pub(crate) fn get(&self) -> Option<&Cgroup> {
        self.0.0.as_ref()
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
