use codemode_types::{ErrorCode, ExecutionId, Rejection};
use thiserror::Error;

use crate::TlsProblem;

/// Why there is no report of an execution. What the *code* did wrong is no error but an outcome of the report.
#[derive(Clone, Debug, Error)]
pub enum ClientError {
    /// No connection came about, so nothing ran.
    #[error(
        "cannot connect to the executor at {url}: {detail}. Is it running (`codemode serve`), and is the address right?"
    )]
    Connection { url: String, detail: String },
    /// The connection broke under an execution, which may have run.
    #[error(
        "the connection to the executor at {url} broke during execution {execution_id}: {detail}. \
         The code may have run, so it is not repeated; see the executor's log"
    )]
    Lost { url: String, detail: String, execution_id: ExecutionId },
    /// Not a frame, not even a keepalive, for the whole of `ClientOptions.timeout`.
    #[error(
        "no sign of life from the executor at {url} for {seconds} s. \
         Look whether it is overloaded or unreachable, or raise the client's `timeout`"
    )]
    Timeout { url: String, seconds: f64, execution_id: Option<ExecutionId> },
    #[error("the executor at {url} refused {}", if *.key_given {
        "the API key. Use the key it was started with (CODEMODE_EXECUTOR_API_KEY)"
    } else {
        "the connection: it wants an API key and none was given. Set `api_key` (CODEMODE_EXECUTOR_API_KEY)"
    })]
    Authentication { url: String, key_given: bool },
    /// No connection came about, for a reason that has to do with certificates or with who speaks TLS.
    #[error("{}", .problem.text(.url))]
    Tls { url: String, problem: TlsProblem },
    /// A setting is wrong, or the policy asks for more than the executor's own allows.
    #[error("{message}")]
    Config { code: ErrorCode, message: String },
    /// Refused before anything ran.
    #[error("{}", .rejection.message)]
    Rejected { rejection: Rejection, execution_id: ExecutionId },
    /// The executor has no room for this execution, or is stopping. Nothing ran.
    #[error("{}", .rejection.message)]
    Overloaded { rejection: Rejection, execution_id: ExecutionId },
    #[error("this client is closed. Make a new one, or close it later")]
    Closed { execution_id: Option<ExecutionId> },
    /// The other end speaks something else.
    #[error(
        "the executor at {url} sent what this client does not understand: {detail}. \
         Check that it is a Codemode executor of a matching version"
    )]
    Protocol { url: String, detail: String, execution_id: Option<ExecutionId> },
    /// The private executor did not start.
    #[error("the embedded executor did not start: {detail}")]
    Embedded { code: String, detail: String },
}

impl ClientError {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::Config { code: ErrorCode::InvalidRequest, message: message.into() }
    }

    pub(crate) fn embedded(detail: impl Into<String>) -> Self {
        Self::Embedded { code: "embedded_start".into(), detail: detail.into() }
    }

    /// A refusal of one execution, sorted by what the caller can do about it.
    pub(crate) fn refused(rejection: Rejection, execution_id: ExecutionId) -> Self {
        match rejection.code {
            ErrorCode::Overloaded | ErrorCode::Draining => Self::Overloaded { rejection, execution_id },
            _ => Self::Rejected { rejection, execution_id },
        }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Connection { .. } => "connection",
            Self::Lost { .. } => "connection_lost",
            Self::Timeout { .. } => "timeout",
            Self::Authentication { .. } => ErrorCode::Unauthenticated.as_str(),
            Self::Tls { problem, .. } => problem.code(),
            Self::Config { code: ErrorCode::InvalidRequest, .. } => "config",
            Self::Config { code, .. } => code.as_str(),
            Self::Rejected { rejection, .. } | Self::Overloaded { rejection, .. } => rejection.code.as_str(),
            Self::Closed { .. } => "closed",
            Self::Protocol { .. } => "protocol",
            Self::Embedded { code, .. } => code,
        }
    }

    /// Whether nothing ran and the same request may succeed later, unchanged.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Timeout { execution_id, .. } => execution_id.is_none(),
            Self::Rejected { rejection, .. } | Self::Overloaded { rejection, .. } => rejection.code.retryable(),
            _ => false,
        }
    }

    /// The execution that this befell, if one had begun.
    pub fn execution_id(&self) -> Option<&ExecutionId> {
        match self {
            Self::Lost { execution_id, .. }
            | Self::Rejected { execution_id, .. }
            | Self::Overloaded { execution_id, .. } => Some(execution_id),
            Self::Timeout { execution_id, .. }
            | Self::Closed { execution_id }
            | Self::Protocol { execution_id, .. } => execution_id.as_ref(),
            _ => None,
        }
    }
}
