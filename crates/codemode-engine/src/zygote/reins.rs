//! How a cell is ended: by a signal to its init, or in tier container, where that is beyond the daemon's rights, by an
//! order to its warden.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use codemode_sandbox::container::warden::{KILL, RELEASE};
use rustix::process::{Signal, pidfd_send_signal};

#[derive(Debug)]
pub(crate) struct Reins {
    /// Of the cell's init or warden.
    pidfd: OwnedFd,
    leash: Option<OwnedFd>,
}

impl Reins {
    /// As `Spawned` brings them; `None`: there is no process to hold.
    pub(super) fn from_packet(descriptors: Vec<OwnedFd>) -> Option<Self> {
        let mut descriptors = descriptors.into_iter();
        Some(Self { pidfd: descriptors.next()?, leash: descriptors.next() })
    }

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether a warden ends the cell, says when it is quiet, and waits to be released.
    pub(crate) fn is_guarded(&self) -> bool {
        self.leash.is_some()
    }

    /// Ends every process of the cell.
    pub(crate) fn kill(&self) {
        self.order(KILL);
    }

    /// Ends the cell altogether: nothing of it is needed any more.
    pub(crate) fn release(&self) {
        self.order(RELEASE);
    }

    fn order(&self, order: u8) {
        // Either fails only where the process is gone already.
        match &self.leash {
            Some(leash) => drop(rustix::io::write(leash, &[order])),
            None => drop(pidfd_send_signal(&self.pidfd, Signal::KILL)),
        }
    }
}
