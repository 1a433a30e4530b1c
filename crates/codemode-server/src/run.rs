//! Until a signal: the daemon's life after it serves.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::serve::Running;

/// How the daemon's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that ran got its time.
    Drained,
    /// A second signal cut it short.
    Cut,
}

#[derive(Debug, Error)]
#[error("cannot listen for signals: {0}")]
pub struct SignalError(#[from] io::Error);

/// Serves until SIGTERM or Ctrl-C, then drains; a second signal ends at once.
pub async fn run(running: Running, mut signals: Signals, patience: Duration) -> Ending {
    signals.next().await;
    tracing::info!(patience_s = patience.as_secs_f64(), "stopping; a second signal ends at once");
    tokio::select! {
        () = running.drain(patience) => Ending::Drained,
        () = signals.next() => Ending::Cut,
    }
}

/// SIGTERM and Ctrl-C. Made before the first address is told to anybody: who reads it may stop the daemon at once.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn new() -> Result<Self, SignalError> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
