//! Listens to the programs that the code tries to start, and keeps the names of those that it may not.
//!
//! A task of its own beside the run: a storm of starts delays neither output nor deadlines, and what reading a process's
//! memory may wait for is waited for on a thread that serves nobody else. Every start is let go on, see
//! [`codemode_sandbox::execs`]. Without this task, starts fail: it goes when the sandbox does.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codemode_sandbox::execs::{self, Granted, Served};
use tokio::{
    io::unix::AsyncFd,
    task::{AbortHandle, spawn_blocking},
    time::{Instant, sleep_until},
};

use crate::escape::escaped;

/// Different names that are kept; of further ones only the number.
const MOST_NAMES: usize = 100;

/// Answers cost the daemon time that no limit of the sandbox counts: 2 000 a second at most. Code that forks for each
/// start does not get there.
const WINDOW: Duration = Duration::from_millis(250);
const STARTS_PER_WINDOW: usize = 500;

/// The daemon's end of one sandbox's filter.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) descriptor: AsyncFd<OwnedFd>,
    pub(crate) granted: Granted,
}

#[derive(Debug)]
pub(crate) struct ExecWatch {
    refused: Arc<Mutex<Refused>>,
    task: AbortHandle,
}

/// Programs that were not started, each name once, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) names: Vec<String>,
    /// Attempts of which no name was kept.
    pub(crate) unnamed: u64,
}

impl ExecWatch {
    pub(crate) fn start(listener: Listener) -> Self {
        let refused = Arc::<Mutex<Refused>>::default();
        let task = tokio::spawn(listen(Arc::new(listener), Arc::clone(&refused))).abort_handle();
        Self { refused, task }
    }

    /// What was refused until now. Complete once every process of the sandbox is gone.
    pub(crate) fn take(&self) -> Refused {
        std::mem::take(&mut lock(&self.refused))
    }
}

impl Drop for ExecWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: Arc<Listener>, refused: Arc<Mutex<Refused>>) {
    let mut window_ends = Instant::now();
    let mut left = 0;
    while let Ok(mut ready) = listener.descriptor.readable().await {
        if ready.ready().is_read_closed() {
            // No process is left.
            return;
        }
        if window_ends <= Instant::now() {
            window_ends = Instant::now() + WINDOW;
            left = STARTS_PER_WINDOW;
        }
        let (listener, refused) = (Arc::clone(&listener), Arc::clone(&refused));
        let served = spawn_blocking(move || {
            let note = |name: String| lock(&refused).note(escaped(&name));
            let served = execs::serve(listener.descriptor.get_ref().as_fd(), &listener.granted, &mut left, note);
            (served, left)
        });
        let Ok((served, still_left)) = served.await else { return };
        left = still_left;
        match served {
            Served::All => ready.clear_ready(),
            Served::Enough => sleep_until(window_ends).await,
            Served::Ended => return,
        }
    }
}

fn lock(refused: &Mutex<Refused>) -> MutexGuard<'_, Refused> {
    refused.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Refused {
    fn note(&mut self, name: String) {
        if self.names.contains(&name) {
            return;
        }
        match self.names.len() < MOST_NAMES {
            true => self.names.push(name),
            false => self.unnamed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_not_without_end() {
        let mut refused = Refused::default();
        for number in 0..3 * MOST_NAMES {
            refused.note("rm".into());
            refused.note(format!("program{number}"));
        }
        assert_eq!(refused.names.len(), MOST_NAMES);
        assert_eq!(refused.names[..2], ["rm", "program0"]);
        assert_eq!(refused.unnamed, 2 * MOST_NAMES as u64 + 1);
    }
}
