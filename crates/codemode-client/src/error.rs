use codemode_types::{ErrorCode, ExecutionId, Rejection};
use thiserror::Error;

use crate::TlsProblem;

/// Why there is no report of an execution. What the *code* did wrong is no error but an outcome of the report.
///
/// ```
/// use codemode_client::{Client, ClientError, ClientOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ClientError> {
/// let client = Client::connect(ClientOptions::new("unix:///does/not/exist"))?;
/// let error = client.info().await.unwrap_err();
/// assert!(matches!(error, ClientError::Connection { .. }));
/// assert!(error.to_string().starts_with("cannot connect to the executor at unix:///does/not/exist"), "{error}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Error)]
pub enum ClientError {
    /// No connection came about, so nothing ran.
    #[error(
        "cannot connect to the executor at {url}: {detail}. Is it running (`codemode serve`), and is the address right?"
    )]
    Connection {
        /// As the client was given it.
        url: String,
        /// Of the system or the protocol.
        detail: String,
    },
    /// The connection broke under an execution, which may have run.
    #[error(
        "the connection to the executor at {url} broke during execution {execution_id}: {detail}. \
         The code may have run, so it is not repeated; see the executor's log"
    )]
    Lost {
        /// As the client was given it.
        url: String,
        /// Of the system or the protocol.
        detail: String,
        /// The execution that was under way.
        execution_id: ExecutionId,
    },
    /// Not a frame, not even a keepalive, for the whole of `ClientOptions.timeout`.
    #[error(
        "no sign of life from the executor at {url} for {seconds} s. \
         Look whether it is overloaded or unreachable, or raise the client's `timeout`"
    )]
    Timeout {
        /// As the client was given it.
        url: String,
        /// How long this side waited.
        seconds: f64,
        /// The execution that was under way, if one was.
        execution_id: Option<ExecutionId>,
    },
    /// The executor does not let this client in.
    #[error("the executor at {url} refused {}", if *.key_given {
        "the API key. Use the key it was started with (CODEMODE_EXECUTOR_API_KEY)"
    } else {
        "the connection: it wants an API key and none was given. Set `api_key` (CODEMODE_EXECUTOR_API_KEY)"
    })]
    Authentication {
        /// As the client was given it.
        url: String,
        /// Whether it was the wrong key, or none.
        key_given: bool,
    },
    /// No connection came about, for a reason that has to do with certificates or with who speaks TLS.
    #[error("{}", .problem.text(.url))]
    Tls {
        /// As the client was given it.
        url: String,
        /// What it has to do with.
        problem: TlsProblem,
    },
    /// A setting is wrong, or the policy asks for more than the executor's own allows.
    #[error("{message}")]
    Config {
        /// `Policy` where the executor refused the policy.
        code: ErrorCode,
        /// Which setting, and what helps.
        message: String,
    },
    /// Refused before anything ran.
    #[error("{}", .rejection.message)]
    Rejected {
        /// The executor's reason.
        rejection: Rejection,
        /// Of the execution that did not begin.
        execution_id: ExecutionId,
    },
    /// The executor has no room for this execution, or is stopping. Nothing ran.
    #[error("{}", .rejection.message)]
    Overloaded {
        /// The executor's reason.
        rejection: Rejection,
        /// Of the execution that did not begin.
        execution_id: ExecutionId,
    },
    /// [`Client::close`](crate::Client::close) was called before, or meanwhile.
    #[error("this client is closed. Make a new one, or close it later")]
    Closed {
        /// The execution that was under way, if one was.
        execution_id: Option<ExecutionId>,
    },
    /// The other end speaks something else.
    #[error(
        "the executor at {url} sent what this client does not understand: {detail}. \
         Check that it is a Codemode executor of a matching version"
    )]
    Protocol {
        /// As the client was given it.
        url: String,
        /// What was wrong with it.
        detail: String,
        /// The execution that was under way, if one was.
        execution_id: Option<ExecutionId>,
    },
    /// The private executor did not start.
    #[error("the embedded executor did not start: {detail}")]
    Embedded {
        /// `embedded_start`, or the executor's own word.
        code: String,
        /// The executor's reason, or the system's.
        detail: String,
    },
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
    ///
    /// ```
    /// use codemode_client::ClientError;
    ///
    /// assert_eq!(ClientError::Closed { execution_id: None }.code(), "closed");
    /// ```
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
    ///
    /// ```
    /// use codemode_client::ClientError;
    ///
    /// let error = ClientError::Connection { url: "http://127.0.0.1:8001".into(), detail: "refused".into() };
    /// assert!(error.retryable());
    /// assert!(!ClientError::Closed { execution_id: None }.retryable());
    /// ```
    pub fn retryable(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Timeout { execution_id, .. } => execution_id.is_none(),
            Self::Rejected { rejection, .. } | Self::Overloaded { rejection, .. } => rejection.code.retryable(),
            _ => false,
        }
    }

    /// The execution that this befell, if one had begun.
    ///
    /// ```
    /// use codemode_client::{ClientError, new_execution_id};
    ///
    /// let id = new_execution_id()?;
    /// let error = ClientError::Closed { execution_id: Some(id.clone()) };
    /// assert_eq!(error.execution_id(), Some(&id));
    /// # Ok::<(), ClientError>(())
    /// ```
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
