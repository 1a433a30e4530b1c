//! What happens during an execution, in the order in which it does.

mod reporter;
mod stream;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use codemode_types::OutputStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{ClientError, ExecutionOutcome, OutputSink};

pub use reporter::CallReporter;
pub use stream::ExecutionStream;

/// Bytes of events that wait for the reader. Beyond, output and further tool calls wait, and progress is dropped.
const ROOM: u32 = 1 << 20;
/// Of an event without its text.
const OVERHEAD: usize = 64;

/// One thing that happened. Every tool call has a `ToolCallStarted` and later one `ToolCallFinished`; between them are
/// its progress and the request for its approval. The last of all is `Finished`.
///
/// ```
/// use codemode_client::Event;
///
/// fn show(event: &Event) -> String {
///     match event {
///         Event::Stdout(bytes) | Event::Stderr(bytes) => String::from_utf8_lossy(bytes).into_owned(),
///         Event::ToolCallStarted { name, .. } => format!("{name} …"),
///         Event::ToolProgress { name, message, .. } => format!("{name}: {message}"),
///         Event::ToolCallFinished { name, status, .. } => format!("{name}: {status}"),
///         Event::Finished(Ok(outcome)) => outcome.report.outcome.to_string(),
///         Event::Finished(Err(error)) => error.to_string(),
///         _ => String::new(),
///     }
/// }
/// assert_eq!(show(&Event::ToolProgress { call_id: 1, name: "load".into(), message: "half".into(), fraction: Some(0.5) }), "load: half");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "the large one comes once, as the last")]
pub enum Event {
    /// The code wrote this. A character may be cut in two.
    Stdout(Bytes),
    /// The code wrote this on its error stream.
    Stderr(Bytes),
    /// The code calls a tool.
    ToolCallStarted {
        /// Unique in the execution.
        call_id: u64,
        /// Of the tool.
        name: String,
        /// Tagged JSON as the code gave it, not checked yet.
        arguments: Bytes,
    },
    /// A tool said how far it is, with [`Call::progress`](crate::Call::progress).
    ToolProgress {
        /// As in `ToolCallStarted`.
        call_id: u64,
        /// Of the tool.
        name: String,
        /// In the tool's own words.
        message: String,
        /// From 0 to 1.
        fraction: Option<f64>,
    },
    /// A person is asked about a call.
    ApprovalRequested {
        /// As in `ToolCallStarted`.
        call_id: u64,
        /// Of the tool.
        name: String,
        /// Which rule wants the decision.
        reason: String,
    },
    /// A call is over.
    ToolCallFinished {
        /// As in `ToolCallStarted`.
        call_id: u64,
        /// Of the tool.
        name: String,
        /// How it ended.
        status: CallStatus,
        /// Since it began here.
        duration: Duration,
        /// What the code was told, where there is no value.
        error: Option<String>,
    },
    /// The execution is over; nothing follows.
    Finished(Result<ExecutionOutcome, ClientError>),
}

/// How a tool call ended.
///
/// ```
/// use codemode_client::CallStatus;
///
/// assert_eq!(CallStatus::Denied.to_string(), "denied");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// With a value.
    Ok,
    /// With a failure.
    Error,
    /// It was not approved, and did not run.
    Denied,
    /// Its time was up.
    Timeout,
    /// The execution ended first.
    Abandoned,
}

impl CallStatus {
    /// The word in logs and reports.
    ///
    /// ```
    /// assert_eq!(codemode_client::CallStatus::Timeout.as_str(), "timeout");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for CallStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The way of events to their reader.
#[derive(Clone)]
pub(crate) struct Outlet {
    sender: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
}

/// Its room is free again once it is taken.
struct Queued {
    event: Event,
    _room: Option<OwnedSemaphorePermit>,
}

impl Outlet {
    fn new() -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, room: Arc::new(Semaphore::new(ROOM as usize)) }, receiver)
    }

    /// Waits until there is room.
    async fn put(&self, event: Event, length: usize) {
        let room = Arc::clone(&self.room).acquire_many_owned(weight(length)).await.ok();
        self.send(event, room);
    }

    /// Drops the event where there is no room.
    fn offer(&self, event: Event, length: usize) {
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(weight(length)) {
            self.send(event, Some(room));
        }
    }

    /// For what is small and comes once per call.
    fn push(&self, event: Event) {
        self.send(event, None);
    }

    fn send(&self, event: Event, room: Option<OwnedSemaphorePermit>) {
        // Without a reader nobody misses it.
        let _ = self.sender.send(Queued { event, _room: room });
    }
}

/// What is larger than all the room there is waits until it is alone.
fn weight(length: usize) -> u32 {
    u32::try_from(length.saturating_add(OVERHEAD)).map_or(ROOM, |weight| weight.min(ROOM))
}

impl OutputSink for Outlet {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        let length = data.len();
        let event = match stream {
            OutputStream::Stdout => Event::Stdout(data),
            OutputStream::Stderr => Event::Stderr(data),
        };
        self.put(event, length).await;
    }
}
