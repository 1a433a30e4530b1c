//! The thread that writes. A line that cannot be written is kept and tried again; the ones behind it wait.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, Thread},
    time::{Duration, SystemTime},
};

use serde_json::json;
use tokio::sync::mpsc;

use super::{
    health::Health,
    line::{self, Line},
    sink::Sink,
};

/// Between attempts, unless somebody asks for one.
const RETRY: Duration = Duration::from_secs(1);
/// What a daemon that ends without a word waits for its last lines.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Order {
    Write(Line),
    /// Nothing comes after it.
    Finish,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) sink: Sink,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) health: Health,
    pub(super) unwritten: Arc<AtomicU64>,
}

/// Dropping it gives the thread a moment to write what waits.
#[derive(Debug)]
pub(super) struct Handle {
    thread: Thread,
    hurry: Arc<AtomicBool>,
    /// Ends with the thread.
    running: Mutex<Receiver<()>>,
}

/// Since when nothing could be written, and the first reason.
struct Trouble {
    since: SystemTime,
    error: io::Error,
}

impl Writer {
    pub(super) fn spawn(self) -> io::Result<Handle> {
        let hurry = Arc::new(AtomicBool::new(false));
        let (ends, running) = channel();
        let told = Arc::clone(&hurry);
        let thread = thread::Builder::new().name("audit".into()).spawn(move || self.run(&told, ends))?;
        Ok(Handle { thread: thread.thread().clone(), hurry, running: Mutex::new(running) })
    }

    /// Until `Finish`, or until nobody can give orders any more.
    fn run(mut self, hurry: &AtomicBool, _ends: Sender<()>) {
        let mut lost = 0_u64;
        while let Some(Order::Write(line)) = self.orders.blocking_recv() {
            lost += u64::from(lost > 0 || !self.write(line, hurry));
        }
        // What was only counted since the last line, so that the stop is the last word.
        let gap = if lost == 0 { self.gap(None) } else { None };
        for line in gap.into_iter().chain([line::daemon("daemon_stop", json!({}))]) {
            lost += u64::from(lost > 0 || !self.write(line, hurry));
        }
        if lost > 0 {
            tracing::error!(lines = lost, "the audit log could not be written to the end: these lines are lost");
        }
        self.health.end();
    }

    /// False where the line is lost: only in a hurry, and then all behind it are.
    fn write(&mut self, line: Line, hurry: &AtomicBool) -> bool {
        let mut trouble = None;
        let (mut next, mut written) = (line, false);
        loop {
            match self.sink.append(next.as_bytes()) {
                Ok(()) => {
                    written = true;
                    match self.gap(trouble.take()) {
                        Some(gap) => next = gap,
                        None => return true,
                    }
                }
                Err(error) => {
                    trouble = Some(self.failed(trouble, error));
                    if hurry.load(Ordering::Acquire) {
                        return written;
                    }
                    thread::park_timeout(RETRY);
                }
            }
        }
    }

    fn failed(&self, trouble: Option<Trouble>, error: io::Error) -> Trouble {
        let trouble = trouble.unwrap_or_else(|| {
            tracing::error!(%error, "the audit log cannot be written; nothing new runs until it can");
            Trouble { since: SystemTime::now(), error }
        });
        self.health.failed();
        trouble
    }

    /// What has to be said once lines can be written again.
    fn gap(&self, trouble: Option<Trouble>) -> Option<Line> {
        self.health.written();
        let refusals = self.unwritten.swap(0, Ordering::Relaxed);
        match trouble {
            Some(Trouble { since, error }) => {
                tracing::warn!(refusals, "the audit log can be written again; refusals meanwhile are only counted");
                Some(line::gap(Some(since), Some(&error.to_string()), refusals))
            }
            None if refusals > 0 => Some(line::gap(None, None, refusals)),
            None => None,
        }
    }
}

impl Handle {
    /// Tries at once what is to be tried again.
    pub(super) fn wake(&self) {
        self.thread.unpark();
    }

    /// One attempt per line from now on.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Release);
        self.wake();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.hurry();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.recv_timeout(FAREWELL) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("the audit log could not be written to the end");
        }
    }
}
