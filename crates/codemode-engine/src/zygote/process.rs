//! The zygote's process. The handle owns its death.

use std::{io, os::fd::OwnedFd, process::Child, time::Duration};

use codemode_socket::watch;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{Interest, unix::AsyncFd};

#[derive(Debug)]
pub(super) struct ZygoteProcess {
    child: Child,
    pidfd: AsyncFd<OwnedFd>,
}

impl ZygoteProcess {
    pub(super) fn new(mut child: Child) -> io::Result<Self> {
        match pidfd(&child) {
            Ok(pidfd) => Ok(Self { child, pidfd }),
            Err(error) => {
                bury(&mut child);
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }

    pub(super) async fn ended(&self) {
        // The only error is a runtime that shuts down.
        let _ = self.pidfd.readable().await;
    }

    /// Waits for the end that it was asked for, then kills. Dropping kills at once.
    pub(super) async fn end(self, patience: Duration) {
        if tokio::time::timeout(patience, self.ended()).await.is_err() {
            tracing::warn!("the zygote did not end by itself and is killed");
        }
    }
}

impl Drop for ZygoteProcess {
    fn drop(&mut self) {
        bury(&mut self.child);
    }
}

fn pidfd(child: &Child) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = Pid::from_child(child);
    watch(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)
}

/// Quick also where it still lives: nothing survives SIGKILL, and its cells end with it.
fn bury(child: &mut Child) {
    let _ = child.kill();
    if let Ok(status) = child.wait() {
        tracing::debug!(%status, "the zygote ended");
    }
}
