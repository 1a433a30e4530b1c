//! Runs executions: pool, admission, deadlines, tool broker, output caps, artifacts.
#![forbid(unsafe_code)]

mod admission;
mod cgroup;
mod code_process;
mod engine;
mod environment;
mod environments;
mod error;
mod escape;
mod execution;
mod fine_timer;
mod pool;
mod request;
mod sandbox;
mod self_test;
mod shape;
mod slots;
mod socket;
mod start;
mod zygote;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use codemode_types::{
    CorrelationId, ExecutionId, ExecutionReport, Globals, Isolation, LimitOverrides, OutputStream, Policy, ToolSpec,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use codemode_egress::{Decision, Egress};

pub use self::{
    engine::Engine,
    error::StartError,
    execution::NETWORK_VIOLATION,
    sandbox::SpawnError,
    self_test::{Attack, Attacks},
};

#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub policy: Policy,
    /// CPython ≥ 3.10 whose standard library and site-packages the code sees.
    pub interpreter: PathBuf,
    /// The guest's native module.
    pub guest_library: PathBuf,
}

#[derive(Clone, Debug)]
pub struct EngineInfo {
    pub isolation: Isolation,
    pub policy: Arc<Policy>,
    pub max_concurrent_executions: u32,
    /// The guest interpreter's version, such as `3.11.7`.
    pub python: String,
    /// What is installed for it, each as `name version`, in the order of the names.
    pub packages: Arc<[String]>,
    /// Others that an execution may ask for.
    pub environments: Arc<[EnvironmentInfo]>,
}

/// One of `guest.environments`.
#[derive(Clone, Debug)]
pub struct EnvironmentInfo {
    pub name: String,
    /// As [`EngineInfo::python`].
    pub python: String,
    /// As [`EngineInfo::packages`].
    pub packages: Arc<[String]>,
}

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
    /// Whether the code's calls of tools are looked at before it runs.
    pub check_tools: bool,
    /// Of files in /outputs the report brings along, at most; never more than `limits.result_bytes`.
    pub artifact_bytes: u64,
    /// What the code finds in `__main__`.
    pub globals: Globals,
    /// One of `guest.environments`; `None`: the engine's own interpreter.
    pub environment: Option<String>,
}

#[derive(Debug)]
pub enum ExecutionEvent {
    Output {
        stream: OutputStream,
        data: Bytes,
    },
    ToolCall {
        call_id: u64,
        name: String,
        arguments: Vec<u8>,
        timeout: Duration,
    },
    ToolCallAbandoned {
        call_id: u64,
        /// Its own time is up; otherwise the execution is over.
        timed_out: bool,
    },
    /// So many bytes of `Execution::answer_part` are held no more.
    AnswerTaken {
        bytes: u64,
    },
    /// Of the way out of a restricted network: before anything leaves because of it.
    Network(Decision),
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
    words: mpsc::UnboundedSender<execution::Word>,
    cancel: CancellationToken,
}
