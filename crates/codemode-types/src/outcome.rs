use std::{fmt, str::FromStr};

/// How an execution ended: one vocabulary for results, metrics, audit and wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    Error,
    Timeout,
    CpuLimit,
    MemoryLimit,
    DiskLimit,
    ProcessLimit,
    OutputLimit,
    ResultTooLarge,
    ToolCallLimit,
    Killed,
    Crashed,
    Cancelled,
    Interrupted,
    ProtocolError,
}

impl Outcome {
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::Error,
        Self::Timeout,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::DiskLimit,
        Self::ProcessLimit,
        Self::OutputLimit,
        Self::ResultTooLarge,
        Self::ToolCallLimit,
        Self::Killed,
        Self::Crashed,
        Self::Cancelled,
        Self::Interrupted,
        Self::ProtocolError,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::MemoryLimit => "memory_limit",
            Self::DiskLimit => "disk_limit",
            Self::ProcessLimit => "process_limit",
            Self::OutputLimit => "output_limit",
            Self::ResultTooLarge => "result_too_large",
            Self::ToolCallLimit => "tool_call_limit",
            Self::Killed => "killed",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::ProtocolError => "protocol_error",
        }
    }

    /// The `error_type` of a result that the supervisor, not the code, decided. `None` for `ok` and `error`.
    pub const fn error_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Ok | Self::Error => return None,
            Self::Timeout => "Timeout",
            Self::CpuLimit => "CpuLimitExceeded",
            Self::MemoryLimit => "MemoryLimitExceeded",
            Self::DiskLimit => "DiskLimitExceeded",
            Self::ProcessLimit => "ProcessLimitExceeded",
            Self::OutputLimit => "OutputLimitExceeded",
            Self::ResultTooLarge => "ResultTooLarge",
            Self::ToolCallLimit => "ToolCallLimitExceeded",
            Self::Killed => "Killed",
            Self::Crashed => "Crashed",
            Self::Cancelled => "Cancelled",
            Self::Interrupted => "Interrupted",
            Self::ProtocolError => "ProtocolError",
        })
    }

    /// The exit code where the code did not end by itself.
    pub const fn exit_code(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::Error | Self::ProtocolError => 1,
            Self::Timeout => 124,
            Self::CpuLimit => 152,
            Self::Cancelled | Self::Interrupted => 143,
            _ => 137,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| format!("unknown outcome `{text}`"))
    }
}
