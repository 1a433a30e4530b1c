use std::{fmt, path::PathBuf, time::Duration};

use crate::{CorrelationId, ExecutionId, Isolation, Outcome};

/// The honest account of one execution. Everything but `result`, `failure` (for outcome `error`) and violations from
/// the guest is authored by the supervisor and cannot be forged by the code.
#[derive(Clone, Debug)]
pub struct ExecutionReport {
    pub execution_id: ExecutionId,
    pub correlation_id: CorrelationId,
    pub outcome: Outcome,
    pub exit_code: i32,
    /// Tagged JSON.
    pub result: Option<Vec<u8>>,
    /// Tagged JSON of a mapping, where the request asked to keep variables and the code came to an end of its own.
    pub variables: Option<Vec<u8>>,
    pub failure: Option<ExecutionFailure>,
    pub tool_calls: Vec<ToolCallRecord>,
    pub artifacts: Vec<Artifact>,
    pub violations: Vec<Violation>,
    pub usage: Usage,
    pub isolation: Isolation,
    pub warnings: Vec<String>,
    pub stdout_truncated: bool,
    pub stderr_truncated: bool,
    /// From the request's arrival to the end of its sandbox.
    pub duration: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFailure {
    pub error_type: String,
    pub message: String,
    /// Frames of the user's own code only.
    pub traceback: String,
    /// 1-based line of the user's code.
    pub line: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCallRecord {
    pub name: String,
    /// Tagged JSON, cut at 4 KiB.
    pub arguments: Vec<u8>,
    pub status: ToolCallStatus,
    pub duration: Duration,
    pub error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolCallStatus {
    Ok,
    Error,
    Timeout,
    /// Still pending when the execution ended.
    Abandoned,
}

impl ToolCallStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A file that the code left in `/outputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Relative to `/outputs`.
    pub path: String,
    pub size: u64,
    pub mime_type: String,
    /// Lower-case hex.
    pub sha256: String,
    /// Where the executor put it, if it has an outputs folder.
    pub host_path: Option<PathBuf>,
    /// The content, where the client asked for it and it was small enough.
    pub data: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `unauthorized_command`, `unauthorized_path`, …
    pub kind: String,
    pub detail: String,
    pub source: ViolationSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationSource {
    /// Said by the code's own process: may be missing or forged.
    Guest,
    Supervisor,
}

impl ViolationSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Supervisor => "supervisor",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub wall: Duration,
    /// Wall time with no tool call pending.
    pub guest: Duration,
    /// Wall time with at least one pending.
    pub tool: Duration,
    pub cpu: Duration,
    pub peak_memory_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    Stdout,
    Stderr,
}

impl fmt::Display for OutputStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}
