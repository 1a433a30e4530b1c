//! Who owns the workspace, as a cell sees it: the cell's own user.
//!
//! As root every cell has a user id of its own, which may read no private folder of anybody's. An idmapped mount says
//! that the workspace's owner is that user. The map is a user namespace, made here once per user id and kept.
#![allow(unsafe_code)] // a short-lived clone that owns the namespace

use std::{
    collections::{HashMap, hash_map::Entry},
    io::Write as _,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use rustix::{
    fs::{self, CWD, Mode, OFlags},
    process::{Signal, pidfd_send_signal, set_parent_process_death_signal},
};

use super::{Step, StepError, error::AtStep};
use crate::{
    plan::{Means, SandboxPlan},
    sys::{self, CloneFlags, Cloned},
};

/// The maps of one zygote.
#[derive(Debug)]
pub struct OwnerMaps {
    source: Option<Source>,
    made: HashMap<u32, OwnedFd>,
}

#[derive(Debug)]
struct Source {
    /// The host's /proc, through which maps are written once the host's files are gone.
    proc: OwnedFd,
    uid: u32,
    gid: u32,
}

impl OwnerMaps {
    /// To be called while the host's files are still there.
    pub fn prepare(plan: &SandboxPlan) -> Result<Self, StepError> {
        let source = match &plan.workspace {
            // Without root a cell's user is the caller already, and private folders of the caller's are readable.
            Some(workspace) if plan.means == Means::Root => {
                let owner = workspace.metadata().at(Step::OpenSource, workspace.display())?;
                let proc = fs::openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                    .at(Step::OpenSource, "/proc")?;
                Some(Source { proc, uid: owner.uid(), gid: owner.gid() })
            }
            _ => None,
        };
        Ok(Self { source, made: HashMap::new() })
    }

    /// The user namespace that maps the workspace's owner to `uid`.
    pub fn for_user(&mut self, uid: u32) -> Result<Option<BorrowedFd<'_>>, StepError> {
        let Some(source) = &self.source else { return Ok(None) };
        let namespace = match self.made.entry(uid) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => place.insert(source.map_to(uid)?),
        };
        Ok(Some(AsFd::as_fd(&*namespace)))
    }
}

impl Source {
    fn map_to(&self, uid: u32) -> Result<OwnedFd, StepError> {
        // SAFETY: the zygote runs one thread; the child makes system calls only until it is killed.
        match unsafe { sys::clone_process(CloneFlags::USER) }.at(Step::UserNamespace, "owner map")? {
            Cloned::Child => {
                let _ = set_parent_process_death_signal(Some(Signal::KILL));
                loop {
                    rustix::event::pause();
                }
            }
            Cloned::Parent { pid, pidfd } => {
                let namespace = self.write_maps(pid, uid);
                let _ = pidfd_send_signal(&pidfd, Signal::KILL);
                let _ = sys::wait_for_pid(pid);
                namespace
            }
        }
    }

    fn write_maps(&self, pid: i32, uid: u32) -> Result<OwnedFd, StepError> {
        for (name, owner) in [("uid_map", self.uid), ("gid_map", self.gid)] {
            let path = format!("{pid}/{name}");
            let file = fs::openat(&self.proc, path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                .at(Step::UserNamespace, &path)?;
            let line = format!("{owner} {uid} 1");
            std::fs::File::from(file).write_all(line.as_bytes()).at(Step::UserNamespace, &path)?;
        }
        let path = format!("{pid}/ns/user");
        fs::openat(&self.proc, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .at(Step::UserNamespace, &path)
    }
}
