use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    clock: Arc<Clock>,
}

#[derive(Clone)]
struct Executor {
    outbox: UnboundedSender<v1::ClientMessage>,
    id: ExecutionId,
    call_id: u64,
}

struct Clock {
    began: Instant,
    expired: AtomicBool,
}

impl Hold {
    pub(crate) fn new(outbox: UnboundedSender<v1::ClientMessage>, id: ExecutionId, call_id: u64) -> Self {
        Self { executor: Some(Executor { outbox, id, call_id }), ..Self::detached() }
    }

    /// Of a call that nobody waits for.
    pub(crate) fn detached() -> Self {
        Self { executor: None, clock: Arc::new(Clock { began: Instant::now(), expired: AtomicBool::new(false) }) }
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
        if let Some(Executor { outbox, id, call_id }) = &self.executor {
            // Without a stream there is no clock.
            let message = v1::ToolHeld { call_id: *call_id, held };
            let _ = outbox.send(v1::ClientMessage::new(id, message));
        }
    }

    /// Whether the executor gave the call up because its time was over. Whoever is dropped in the middle of a call learns
    /// here why.
    ///
    /// ```
    /// use codemode_client::{ToolCall, json};
    ///
    /// # fn main() -> Result<(), codemode_client::ClientError> {
    /// assert!(!ToolCall::detached("pay", &json!({}))?.hold.timed_out());
    /// # Ok(())
    /// # }
    /// ```
    pub fn timed_out(&self) -> bool {
        self.clock.expired.load(Ordering::Relaxed)
    }

    pub(crate) fn expire(&self) {
        self.clock.expired.store(true, Ordering::Relaxed);
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.clock.began.elapsed()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call_id = self.executor.as_ref().map(|executor| executor.call_id);
        formatter.debug_struct("Hold").field("call_id", &call_id).finish_non_exhaustive()
    }
}
