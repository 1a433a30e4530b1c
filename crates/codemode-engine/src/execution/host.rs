//! The host's side of an execution: bounded events out, answers and a cancellation in.

use std::collections::VecDeque;

use codemode_types::ToolFailure;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::end::End;
use crate::ExecutionEvent;

/// What the host may say while its execution runs.
#[derive(Debug)]
pub(crate) struct Controls {
    pub(crate) answers: mpsc::UnboundedReceiver<(u64, Result<Vec<u8>, ToolFailure>)>,
    pub(crate) wanted: Wanted,
}

/// Whether anybody wants the execution to go on.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) events: mpsc::Sender<ExecutionEvent>,
    pub(crate) cancel: CancellationToken,
    /// The engine's patience is over.
    pub(crate) stop: CancellationToken,
}

impl Wanted {
    /// Resolves when nobody does. Cancel safe.
    pub(crate) async fn called_off(&self) -> End {
        tokio::select! {
            biased;
            () = self.events.closed() => End::HostLeft,
            () = self.cancel.cancelled() => End::Cancelled,
            () = self.stop.cancelled() => End::EngineStopped,
        }
    }
}

/// Events in order. What the channel does not take waits here, and while anything waits nothing more is read from the
/// sandbox, so it is never much.
#[derive(Debug)]
pub(crate) struct Host {
    events: mpsc::Sender<ExecutionEvent>,
    waiting: VecDeque<ExecutionEvent>,
}

impl Host {
    pub(crate) fn new(events: mpsc::Sender<ExecutionEvent>) -> Self {
        Self { events, waiting: VecDeque::new() }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn tell(&mut self, event: ExecutionEvent) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(event);
        }
        match self.events.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
        }
    }

    /// Resolves when nothing waits any more, or nobody listens. Cancel safe.
    pub(crate) async fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.events.reserve().await else { return self.waiting.clear() };
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        }
    }
}
