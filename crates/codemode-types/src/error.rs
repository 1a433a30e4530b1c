use std::fmt;

use thiserror::Error;

/// Why a request was refused before anything ran, or could not be served. One registry for gRPC, HTTP and Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request itself is malformed (ids, missing parts, order of messages).
    InvalidRequest,
    /// Empty code, invalid UTF-8, NUL bytes.
    InvalidCode,
    CodeTooLong,
    /// A policy that is wider than the executor's own, or malformed.
    Policy,
    Unauthenticated,
    Overloaded,
    /// The executor is stopping.
    Draining,
    /// The executor itself failed; nothing ran.
    Internal,
}

impl ErrorCode {
    pub const ALL: [Self; 8] = [
        Self::InvalidRequest,
        Self::InvalidCode,
        Self::CodeTooLong,
        Self::Policy,
        Self::Unauthenticated,
        Self::Overloaded,
        Self::Draining,
        Self::Internal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidCode => "invalid_code",
            Self::CodeTooLong => "code_too_long",
            Self::Policy => "policy",
            Self::Unauthenticated => "unauthenticated",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }

    /// The word of a refusal in the vocabulary of outcomes, where it has one.
    pub const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest | Self::InvalidCode | Self::CodeTooLong | Self::Policy => Some("rejected"),
            Self::Overloaded => Some("overloaded"),
            Self::Unauthenticated | Self::Draining | Self::Internal => None,
        }
    }

    /// Whether the same request may succeed later, unchanged. Nothing ran in either case.
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::Draining)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A refusal: nothing ran.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Rejection {
    pub code: ErrorCode,
    pub message: String,
}

impl Rejection {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
