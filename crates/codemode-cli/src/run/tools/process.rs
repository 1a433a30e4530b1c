//! A process of our own that ends with us, however we end.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            net::UnixStream as Pair,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};
use tokio::net::UnixStream;

/// For what tools do at their end.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Dropped, it is killed with all that it started. If we are killed, it sees the end of the socket and does so itself.
pub(super) struct Process {
    child: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// With our end of a socket whose other end is its standard input. What it prints is ours to show, and no part of
    /// the code's output.
    pub(super) fn start(mut command: Command) -> io::Result<(Self, UnixStream)> {
        // Both ends are CLOEXEC in us: no other child of ours holds one.
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let output = io::stderr().as_fd().try_clone_to_owned()?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(output));
        // Ctrl-C is ours to handle. And what the tools start is in its group, so that it can be ended with it.
        let child = command.process_group(0).spawn()?;
        Ok((Self { child, status: None }, UnixStream::from_std(ours)?))
    }

    /// Waits for its end, or kills it when it takes too long. Blocks.
    pub(super) fn end(&mut self) -> ExitStatus {
        if self.status.is_none() {
            // Where it cannot be waited for, it is killed at once.
            let _ = self.wait();
        }
        self.kill()
    }

    /// Without reaping it: as long as it is not, the number of its group is nobody else's.
    fn wait(&self) -> io::Result<()> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience))?;
        Ok(())
    }

    /// With what it has started.
    pub(super) fn kill(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        // A tool may have taken it out of its group.
        let _ = self.child.kill();
        let status = self.child.wait().unwrap_or(ExitStatus::from_raw(0));
        *self.status.insert(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
