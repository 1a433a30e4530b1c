//! The host's side of an execution: bounded events out, answers and a cancellation in.

use std::collections::VecDeque;

use bytes::Bytes;
use codemode_types::ToolFailure;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::end::End;
use crate::ExecutionEvent;

/// Events that wait for a host, at most.
pub(crate) const EVENTS: usize = 16;

/// About a tool call.
#[derive(Debug)]
pub(crate) enum Word {
    Answer(u64, Result<Vec<u8>, ToolFailure>),
    Part { call_id: u64, total: u64, data: Bytes },
    Held(u64, bool),
}

/// What the host may say while its execution runs.
#[derive(Debug)]
pub(crate) struct Controls {
    pub(crate) words: mpsc::UnboundedReceiver<Word>,
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
/// sandbox, so it is never much. Large events need more of the channel free, so that a slow host costs a bounded
/// number of bytes, not of events.
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
        match self.events.try_reserve_many(places(&event)) {
            Ok(permits) => send(permits, event),
            Err(mpsc::error::TrySendError::Full(())) => self.waiting.push_back(event),
            Err(mpsc::error::TrySendError::Closed(())) => {}
        }
    }

    /// Resolves when nothing waits any more, or nobody listens. Cancel safe.
    pub(crate) async fn flush(&mut self) {
        while let Some(event) = self.waiting.front() {
            let Ok(permits) = self.events.reserve_many(places(event)).await else { return self.waiting.clear() };
            if let Some(event) = self.waiting.pop_front() {
                send(permits, event);
            }
        }
    }
}

/// How many places of the channel have to be free for an event: one per 64 KiB, at most all of them.
fn places(event: &ExecutionEvent) -> usize {
    let bytes = match event {
        ExecutionEvent::Output { data, .. } => data.len(),
        ExecutionEvent::ToolCall { arguments, .. } => arguments.len(),
        ExecutionEvent::ToolCallAbandoned { .. }
        | ExecutionEvent::AnswerTaken { .. }
        | ExecutionEvent::Network(_)
        | ExecutionEvent::Finished(_) => 0,
    };
    bytes.div_ceil(64 << 10).clamp(1, EVENTS)
}

/// Takes one place; the others were only to be free.
fn send(mut permits: mpsc::PermitIterator<'_, ExecutionEvent>, event: ExecutionEvent) {
    if let Some(permit) = permits.next() {
        permit.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call_id: u64, bytes: usize) -> ExecutionEvent {
        let timeout = std::time::Duration::ZERO;
        ExecutionEvent::ToolCall { call_id, name: String::new(), arguments: vec![0; bytes], timeout }
    }

    fn id(event: Option<ExecutionEvent>) -> Option<u64> {
        match event {
            Some(ExecutionEvent::ToolCall { call_id, .. }) => Some(call_id),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_slow_host_is_owed_few_large_events_and_gets_them_in_order() {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let mut host = Host::new(sender);
        host.tell(call(0, 16 << 20));
        assert!(host.has_room());
        host.tell(call(1, 16 << 20));
        assert!(!host.has_room(), "the second one waits until the first was read");
        host.tell(call(2, 0));
        assert_eq!(id(events.recv().await), Some(0));
        host.flush().await;
        assert_eq!((id(events.recv().await), id(events.recv().await)), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn small_events_fill_the_channel() {
        let (sender, _events) = mpsc::channel(EVENTS);
        let mut host = Host::new(sender);
        (0..EVENTS as u64).for_each(|call_id| host.tell(call(call_id, 100)));
        assert!(host.has_room());
        host.tell(call(99, 100));
        assert!(!host.has_room());
    }

    #[tokio::test]
    async fn nothing_waits_for_a_host_that_left() {
        let (sender, events) = mpsc::channel(EVENTS);
        let mut host = Host::new(sender);
        (0..20).for_each(|call_id| host.tell(call(call_id, 1 << 20)));
        drop(events);
        host.flush().await;
        assert!(host.has_room());
    }
}
