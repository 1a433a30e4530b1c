use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use codemode_proto::v1;
use codemode_types::ExecutionId;
use tokio::sync::mpsc::UnboundedSender;

/// The clock of one tool call. Clones are the same clock.
///
/// ```
/// use codemode_client::Hold;
///
/// async fn asked_a_person(hold: &Hold) -> bool {
///     hold.set(true);
///     let answer = /* … */ true;
///     hold.set(false);
///     answer
/// }
/// ```
#[derive(Clone)]
pub struct Hold {
    executor: Option<Executor>,
    clock: Arc<Mutex<Clock>>,
}

#[derive(Clone)]
struct Executor {
    outbox: UnboundedSender<v1::ClientMessage>,
    id: ExecutionId,
    call_id: u64,
}

/// What the executor's own clock shows, but for the way there.
struct Clock {
    began: Instant,
    held: Duration,
    held_since: Option<Instant>,
}

impl Hold {
    pub(crate) fn new(outbox: UnboundedSender<v1::ClientMessage>, id: ExecutionId, call_id: u64) -> Self {
        Self { executor: Some(Executor { outbox, id, call_id }), ..Self::detached() }
    }

    /// Of a call that nobody waits for.
    pub(crate) fn detached() -> Self {
        let clock = Clock { began: Instant::now(), held: Duration::ZERO, held_since: None };
        Self { executor: None, clock: Arc::new(Mutex::new(clock)) }
    }

    /// While a call is held its `tool_timeout` stands still, for a person is being asked; the `total_timeout` of the
    /// execution goes on.
    ///
    /// ```
    /// use codemode_client::{ToolCall, json};
    ///
    /// # fn main() -> Result<(), codemode_client::ClientError> {
    /// let call = ToolCall::detached("pay", &json!({"amount": 5}))?;
    /// call.hold.set(true);
    /// call.hold.set(false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, held: bool) {
        self.clock().set(held);
        if let Some(Executor { outbox, id, call_id }) = &self.executor {
            // Without a stream there is no clock.
            let message = v1::ToolHeld { call_id: *call_id, held };
            let _ = outbox.send(v1::ClientMessage::new(id, message));
        }
    }

    /// How long the call has run without being held.
    pub(crate) fn ran(&self) -> Duration {
        let clock = self.clock();
        let held = clock.held + clock.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        clock.began.elapsed().saturating_sub(held)
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.clock().began.elapsed()
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        // Nothing panics while it is held.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    fn set(&mut self, held: bool) {
        match (held, self.held_since) {
            (true, None) => self.held_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.held += since.elapsed();
                self.held_since = None;
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call_id = self.executor.as_ref().map(|executor| executor.call_id);
        formatter.debug_struct("Hold").field("call_id", &call_id).finish_non_exhaustive()
    }
}
