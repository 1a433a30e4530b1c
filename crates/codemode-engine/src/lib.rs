//! Runs executions: pool, admission, deadlines, tool broker, output caps, artifacts.
#![forbid(unsafe_code)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use codemode_types::{
    CorrelationId, ExecutionId, ExecutionReport, Isolation, LimitOverrides, OutputStream, Policy, Rejection,
    ToolFailure, ToolSpec,
};
use tokio::sync::mpsc;

#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub policy: Policy,
    /// CPython ≥ 3.10 whose standard library and site-packages the code sees.
    pub interpreter: PathBuf,
    /// The guest's native module.
    pub guest_library: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Placeholder(String),
}

#[derive(Clone, Debug)]
pub struct EngineInfo {
    pub isolation: Isolation,
    pub policy: Arc<Policy>,
    pub max_concurrent_executions: u32,
    /// The guest interpreter's version, such as `3.11.7`.
    pub python: String,
}

/// Cheap to clone; all clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {}

#[derive(Clone, Debug)]
pub struct ExecutionRequest {
    pub id: ExecutionId,
    pub correlation_id: CorrelationId,
    /// As it came; the engine refuses what is not UTF-8.
    pub code: Vec<u8>,
    pub tools: Vec<ToolSpec>,
    /// Tagged JSON, or empty.
    pub context: Vec<u8>,
    pub config: Vec<u8>,
    pub overrides: LimitOverrides,
    /// The engine's own policy, or one that `Policy::narrowed` made of it.
    pub policy: Arc<Policy>,
}

#[derive(Debug)]
pub enum ExecutionEvent {
    Output { stream: OutputStream, data: Bytes },
    ToolCall { call_id: u64, name: String, arguments: Vec<u8>, timeout: Duration },
    ToolCallAbandoned { call_id: u64 },
    /// The last event.
    Finished(Box<ExecutionReport>),
}

/// One execution under way. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct Execution {
    /// What was clamped.
    pub warnings: Vec<String>,
    /// Bounded: a reader that stops reading stops the code's output, not the deadlines.
    pub events: mpsc::Receiver<ExecutionEvent>,
}

impl Engine {
    pub async fn start(_config: EngineConfig) -> Result<Self, StartError> {
        Err(StartError::Placeholder("not written yet".into()))
    }

    pub fn info(&self) -> EngineInfo {
        loop {}
    }

    /// Checks and admits the request, or refuses it before anything runs. Must be called inside a tokio runtime.
    pub fn execute(&self, _request: ExecutionRequest) -> Result<Execution, Rejection> {
        loop {}
    }

    /// Refuses new executions, waits for live ones until `patience` is over, kills the rest, ends the zygote.
    pub async fn drain(&self, _patience: Duration) {}
}

impl Execution {
    /// Answers a tool call. Answers to calls that are over are dropped.
    pub fn answer(&self, _call_id: u64, _answer: Result<Vec<u8>, ToolFailure>) {}

    /// Ends the execution with outcome `cancelled`; `Finished` still comes.
    pub fn cancel(&self) {}
}
