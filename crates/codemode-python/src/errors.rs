use codemode_client::ClientError;
use pyo3::{create_exception, exceptions::PyException, prelude::*};

create_exception!(
    codemode._native,
    NativeError,
    PyException,
    "args = (code, message, retryable, execution_id | None, exception class name)"
);

pub(crate) fn raised(error: &ClientError) -> PyErr {
    let id = error.execution_id().map(ToString::to_string);
    NativeError::new_err((error.code().to_string(), error.to_string(), error.retryable(), id, class_of(error)))
}

/// A setting that this side refuses.
pub(crate) fn config(message: impl Into<String>) -> PyErr {
    NativeError::new_err(("config", message.into(), false, None::<String>, "ConfigError"))
}

fn class_of(error: &ClientError) -> &'static str {
    match error {
        ClientError::Connection { .. } | ClientError::Lost { .. } | ClientError::Embedded { .. } => {
            "ExecutorConnectionError"
        }
        ClientError::Timeout { .. } => "ExecutorTimeoutError",
        ClientError::Authentication { .. } => "AuthenticationError",
        ClientError::Tls { problem, .. } if problem.is_refusal() => "AuthenticationError",
        ClientError::Tls { .. } => "ExecutorConnectionError",
        ClientError::Config { .. } => "ConfigError",
        ClientError::Rejected { .. } => "ExecutionFailed",
        ClientError::Overloaded { .. } => "ExecutorOverloaded",
        // The face raises its base class for these, as it does for its own `closed`.
        ClientError::Closed { .. } => "CodemodeError",
        ClientError::Protocol { .. } => "ExecutorConnectionError",
    }
}
