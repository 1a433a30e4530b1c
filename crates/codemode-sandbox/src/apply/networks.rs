//! Empty network namespaces that go from cell to cell, one cell at a time.
//!
//! Making one and taking it down again costs more than all other namespaces together. Code without a network has Unix
//! sockets only, and no right to change anything in the namespace: once its last process is gone and no socket is left,
//! the namespace is as it was made. That is looked at each time; one that is not empty is let go.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use codemode_wire::zygote::Network;
use rustix::{
    fs::{self, CWD, Mode, OFlags},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::{
    Step, StepError,
    error::AtStep,
    removed::{Wall, is_removed},
};
use crate::plan::{Means, SandboxPlan};

/// Of the calling thread.
const OWN: &str = "thread-self";

/// Kept for later cells. As many are made at a time, and a few more.
const MOST: usize = 16;

/// The spare namespaces of one zygote.
#[derive(Debug)]
pub struct Networks {
    /// Where namespaces are found, and the zygote's own. Where a cell has a user namespace of its own, its network
    /// namespace belongs to that one, and is no other cell's to enter.
    source: Option<Source>,
    spare: Vec<OwnedFd>,
}

#[derive(Debug)]
struct Source {
    /// The host's /proc.
    proc: OwnedFd,
    own: OwnedFd,
}

impl Networks {
    /// To be called while the host's files are still there.
    pub fn prepare(plan: &SandboxPlan) -> Result<Self, StepError> {
        let source = match plan.means {
            Means::Root if !is_removed(Wall::Namespaces) => Some(Source::find().at(Step::OpenSource, "/proc")?),
            Means::Root | Means::UserNamespace | Means::Container => None,
        };
        Ok(Self { source, spare: Vec::new() })
    }

    /// One to enter, if there is one.
    pub fn take(&mut self, network: &Network) -> Option<OwnedFd> {
        match network {
            Network::None => self.spare.pop(),
            Network::Restricted { .. } | Network::All => None,
        }
    }

    /// The one that was made for this process, to be given back once the cell is gone.
    pub fn made_for(&self, pid: i32, network: &Network) -> Option<OwnedFd> {
        match (&self.source, network) {
            (Some(source), Network::None) => namespace_of(&source.proc, &pid.to_string()).ok(),
            _ => None,
        }
    }

    /// Keeps one whose last process was reaped, if nothing is left in it. An error: this process cannot get back into
    /// its own namespace, and must not go on.
    pub fn give_back(&mut self, network: OwnedFd) -> Result<(), StepError> {
        let Some(source) = self.source.as_ref().filter(|_| self.spare.len() < MOST) else { return Ok(()) };
        if enter(network.as_fd()).is_err() {
            return Ok(());
        }
        let empty = source.is_empty();
        enter(source.own.as_fd()).at(Step::Network, "back")?;
        if empty.unwrap_or(false) {
            self.spare.push(network);
        }
        Ok(())
    }
}

impl Source {
    fn find() -> io::Result<Self> {
        let proc = fs::openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let own = namespace_of(&proc, OWN)?;
        Ok(Self { proc, own })
    }

    /// Whether the namespace that this process is in has no socket. It may have one without any process: one that was
    /// sent over another and never received.
    fn is_empty(&self) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut list = File::from(fs::openat(&self.proc, format!("{OWN}/net/unix"), flags, Mode::empty())?);
        // A line of headings, then one for each.
        let mut text = [0; 512];
        let length = list.read(&mut text)?;
        Ok(text[..length].iter().filter(|byte| **byte == b'\n').count() == 1)
    }
}

/// Of a clone of the zygote, before it is confined, or of the zygote itself.
pub(super) fn enter(network: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?)
}

fn namespace_of(proc: &OwnedFd, process: &str) -> io::Result<OwnedFd> {
    let path = format!("{process}/ns/net");
    Ok(fs::openat(proc, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    };

    use super::*;
    use crate::sys::{CloneFlags, unshare_namespaces};

    /// Namespaces are a thread's, and each test has one of its own.
    #[test]
    fn one_that_holds_a_socket_is_not_kept() {
        if !rustix::process::geteuid().is_root() {
            return; // nobody else may make one
        }
        let mut networks = Networks { source: Some(Source::find().unwrap()), spare: Vec::new() };
        let home = networks.source.as_ref().unwrap().own.try_clone().unwrap();
        let made = || {
            unshare_namespaces(CloneFlags::NETWORK).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap().into()
        };
        let empty: OwnedFd = made();
        enter(home.as_fd()).unwrap();
        let used: OwnedFd = made();
        let name = SocketAddr::from_abstract_name("left").unwrap();
        let held = UnixListener::bind_addr(&name).unwrap();
        enter(home.as_fd()).unwrap();

        networks.give_back(used.try_clone().unwrap()).unwrap();
        assert!(networks.take(&Network::None).is_none());
        networks.give_back(empty).unwrap();
        assert!(networks.take(&Network::None).is_some());
        drop(held);
        networks.give_back(used).unwrap();
        assert!(networks.take(&Network::All).is_none(), "it is for code without a network");
        assert!(networks.take(&Network::None).is_some());
    }
}
