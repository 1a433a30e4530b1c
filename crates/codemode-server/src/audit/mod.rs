//! The audit log: who asked for what, what was decided, and what came of it. One JSON object per line, without code,
//! arguments or values. docs/audit.md says what each line means.
//!
//! It loses nothing silently. Lines wait in a bounded queue for a thread of their own, and who produces them waits for
//! room in it. As long as lines cannot be written, nothing new runs.

mod escape;
mod health;
mod line;
mod origin;
mod sink;
mod trail;
mod writer;

use std::{
    io, process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use codemode_config::sidecar::AuditTarget;
use codemode_engine::ExecutionRequest;
use codemode_types::{ErrorCode, ExecutionId, Rejection};
use serde_json::json;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use self::{
    health::Health,
    line::Line,
    sink::Sink,
    writer::{Handle, Order, Writer},
};

pub use self::escape::{escaped, escaped_lines};
pub(crate) use self::{
    line::Subject,
    origin::{Origin, Peer, Principal},
    trail::{Trail, follow},
};

/// The reason of a refusal for which the registry of error codes has no word of its own.
pub(crate) const TOO_LARGE: &str = "too_large";

/// Lines that wait for the disk.
const QUEUE: usize = 1024;
/// For executions that have ended to be accounted for, once the daemon stops.
const LAST_LINES: Duration = Duration::from_secs(2);

#[derive(Debug, Error)]
#[error("audit: cannot write {target}: {source}; name a file that this process can write, or remove the key")]
pub struct AuditError {
    target: AuditTarget,
    source: io::Error,
}

/// Cheap to clone; all clones are the same log.
#[derive(Clone, Debug)]
pub struct Audit(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Order>,
    health: Health,
    /// Refusals that were not written one by one.
    unwritten: Arc<AtomicU64>,
    /// Executions whose end is not yet in the queue.
    trails: TaskTracker,
    writer: Handle,
}

impl Audit {
    pub fn off() -> Self {
        Self(None)
    }

    /// Writes the first line, so that a log that cannot be written is known before anything is served.
    pub fn open(target: Option<&AuditTarget>) -> Result<Self, AuditError> {
        let Some(target) = target else { return Ok(Self::off()) };
        let (queue, orders) = mpsc::channel(QUEUE);
        let (health, unwritten) = (Health::default(), Arc::default());
        let start = line::daemon("daemon_start", json!({"version": crate::executions::VERSION, "pid": process::id()}));
        let opened = Sink::open(target).and_then(|mut sink| {
            sink.append(start.as_bytes())?;
            Writer { sink, orders, health: health.clone(), unwritten: Arc::clone(&unwritten) }.spawn()
        });
        let writer = opened.map_err(|source| AuditError { target: target.clone(), source })?;
        Ok(Self(Some(Arc::new(Shared { queue, health, unwritten, trails: TaskTracker::new(), writer }))))
    }

    /// Whether what happens now can be written, as far as is known.
    pub(crate) fn works(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.health.works())
    }

    /// Refuses while the log cannot be written, after having tried once more.
    pub(crate) async fn ready(&self) -> Result<(), Rejection> {
        let Some(shared) = &self.0 else { return Ok(()) };
        if shared.health.works() || shared.health.works_at_next_try(|| shared.writer.wake()).await {
            return Ok(());
        }
        shared.unwritten.fetch_add(1, Ordering::Relaxed);
        Err(unavailable())
    }

    pub(crate) fn subject(&self, request: &ExecutionRequest, origin: &Origin) -> Option<Subject> {
        self.0.as_ref().map(|_| Subject {
            origin: origin.clone(),
            execution_id: Some(request.id.to_string()),
            correlation_id: Some(request.correlation_id.to_string()),
            code_sha256: Some(hex(&Sha256::digest(&request.code))),
            environment: request.environment.clone(),
        })
    }

    /// A request that was refused before it became an execution.
    pub(crate) async fn refused(&self, origin: &Origin, id: Option<&ExecutionId>, reason: &str, detail: &str) {
        let execution_id = id.map(ToString::to_string);
        let subject = Subject { origin: origin.clone(), execution_id, ..Subject::default() };
        self.refused_execution(Some(&subject), reason, detail).await;
    }

    pub(crate) async fn refused_execution(&self, subject: Option<&Subject>, reason: &str, detail: &str) {
        if let (Some(shared), Some(subject)) = (&self.0, subject) {
            shared.refusal(subject.refusal(reason, detail)).await;
        }
    }

    /// An execution that was admitted. `tools` were offered to it.
    pub(crate) fn begin(&self, subject: Option<Subject>, code_bytes: usize, tools: usize) -> Trail {
        match (&self.0, subject) {
            (Some(shared), Some(subject)) => Trail::begin(Arc::clone(shared), subject, code_bytes, tools),
            _ => Trail::off(),
        }
    }

    /// Everything that happened is written, or said to be lost. Nothing may run any more.
    pub(crate) async fn close(&self) {
        let Some(shared) = &self.0 else { return };
        shared.trails.close();
        if timeout(LAST_LINES, shared.trails.wait()).await.is_err() {
            tracing::error!(executions = shared.trails.len(), "the audit log lacks the end of some executions");
        }
        shared.writer.hurry();
        // Fails where it has been closed already.
        let _ = shared.queue.send(Order::Finish).await;
        shared.health.ended().await;
    }
}

impl Shared {
    /// Counted where it cannot be written, as the queue is for what runs then; and also where its caller does not wait.
    async fn refusal(&self, line: Line) {
        let counted = Counted(&self.unwritten);
        tokio::select! {
            biased;
            () = self.health.fails() => {}
            permit = self.queue.reserve() => if let Ok(permit) = permit {
                permit.send(Order::Write(line));
                counted.forget();
            }
        }
    }
}

/// Counts one when it goes, unless told otherwise.
struct Counted<'a>(&'a AtomicU64);

impl Counted<'_> {
    fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn unavailable() -> Rejection {
    let message = "the executor's audit log cannot be written, and without it nothing runs; its own log says why";
    Rejection::new(ErrorCode::Internal, message)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
