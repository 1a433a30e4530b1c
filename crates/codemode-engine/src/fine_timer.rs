//! Waits shorter than the event loop's own timers, which count in milliseconds.

use std::{io, os::fd::OwnedFd, time::Duration};

use codemode_socket::watch;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

#[derive(Debug)]
pub(crate) struct FineTimer(AsyncFd<OwnedFd>);

impl FineTimer {
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        watch(timer, Interest::READABLE).map(Self)
    }

    /// Below a second; none at all does not end. One wait at a time.
    pub(crate) async fn pass(&self, wait: Duration) -> io::Result<()> {
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: none, it_value: Timespec { tv_nsec: wait.subsec_nanos().into(), ..none } };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        let read = |timer: &OwnedFd| rustix::io::read(timer, &mut [0; 8]).map_err(io::Error::from);
        self.0.async_io(Interest::READABLE, read).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn each_wait_lasts_at_least_as_long_as_asked_for() {
        let timer = FineTimer::new().unwrap();
        for wait in [1, 300, 20].map(Duration::from_micros) {
            let begin = Instant::now();
            timer.pass(wait).await.unwrap();
            assert!(begin.elapsed() >= wait);
        }
    }
}
