use std::{
    net::Shutdown,
    os::unix::net::UnixStream,
    process::{self, ExitStatus},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use tempfile::TempDir;

/// A stop is a matter of milliseconds: there is nothing to drain once its only client has gone.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A running executor and what is its own. Dropping it ends the process and waits for that.
pub(super) struct Child {
    pub(super) process: process::Child,
    /// Its other end is the executor's standard input. The executor ends when no copy of ours is open any more, which
    /// the kernel sees to when we die; copies in forked children keep it alive for them.
    pub(super) lifeline: UnixStream,
    /// Holds the socket; removed last.
    pub(super) _folder: TempDir,
}

impl Child {
    /// Waits for the end of the process; `None` if it does not come in time.
    pub(super) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Some(status);
        }
        let pidfd = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty()).ok()?;
        let limit = Timespec::try_from(patience).ok()?;
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).ok()?;
        self.process.try_wait().ok().flatten()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The executor sees this whoever else has a copy of our end.
        let _ = self.lifeline.shutdown(Shutdown::Both);
        if self.wait(STOP_PATIENCE).is_none() {
            // Its sandboxes hang on sockets of its own and end with it.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
