use std::{error::Error, time::Duration};

use codemode_types::{ErrorCode, ExecutionId, Rejection};
use tonic::{Code, Status};

use crate::{ClientError, TlsProblem, tls::secure_port, wire::Pulse};

/// Who is at the other end, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) timeout: Duration,
    pub(crate) key_given: bool,
}

/// Why a connection is of no more use.
#[derive(Clone, Debug)]
pub(crate) enum LinkFailure {
    /// By this side.
    Closed,
    /// Keepalives went unanswered.
    Silent,
    Unauthenticated,
    /// The executor ended the stream with a reason.
    Refused(Rejection),
    Protocol(String),
    Tls(TlsProblem),
    /// The connection was closed before the other end had said anything.
    Mute,
    Broken(String),
}

impl LinkFailure {
    pub(crate) fn of(status: &Status, pulse: &Pulse) -> Self {
        if let Some(code) = stated(status) {
            return Self::Refused(Rejection::new(code, status.message()));
        }
        // HTTP/2 only knows that the connection is over.
        if let Some(problem) = pulse.problem() {
            return Self::Tls(problem);
        }
        let detail = detail(status.message(), status.source());
        match status.code() {
            Code::Unauthenticated => Self::Unauthenticated,
            // There are no types to ask for.
            _ if detail.contains("keep-alive timed out") => Self::Silent,
            _ if detail.contains("broken pipe") && !pulse.ended() => Self::Silent,
            Code::InvalidArgument | Code::FailedPrecondition | Code::PermissionDenied => {
                Self::Refused(Rejection::new(ErrorCode::Policy, status.message()))
            }
            Code::Unimplemented => Self::Protocol(detail),
            _ if pulse.mute() => Self::Mute,
            _ => Self::Broken(detail),
        }
    }

    /// What a caller gets who wanted a connection.
    pub(crate) fn at_connect(self, peer: &Peer) -> ClientError {
        let url = peer.url.clone();
        match self {
            Self::Closed => ClientError::Closed { execution_id: None },
            Self::Silent => ClientError::Timeout { url, seconds: peer.timeout.as_secs_f64(), execution_id: None },
            Self::Unauthenticated => ClientError::Authentication { url, key_given: peer.key_given },
            Self::Refused(refusal) if refusal.code == ErrorCode::Unauthenticated => {
                ClientError::Authentication { url, key_given: peer.key_given }
            }
            Self::Refused(Rejection { code: code @ ErrorCode::Policy, message }) => {
                ClientError::Config { code, message: format!("the executor at {url} refused the policy: {message}") }
            }
            Self::Refused(Rejection { code: ErrorCode::InvalidRequest, message }) => {
                ClientError::Protocol { url, detail: message, execution_id: None }
            }
            Self::Refused(refusal) => ClientError::Connection { url, detail: refusal.message },
            Self::Protocol(detail) => ClientError::Protocol { url, detail, execution_id: None },
            Self::Tls(problem) => ClientError::Tls { url, problem },
            Self::Mute => {
                let way_out = secure_port(&url).map(|url| format!("; if it speaks TLS, use {url}")).unwrap_or_default();
                ClientError::Connection { url, detail: format!("it closed the connection without a word{way_out}") }
            }
            Self::Broken(detail) => ClientError::Connection { url, detail },
        }
    }

    /// What a caller gets whose execution was under way.
    pub(crate) fn during(self, peer: &Peer, id: &ExecutionId) -> ClientError {
        let (url, execution_id) = (peer.url.clone(), id.clone());
        match self {
            Self::Closed => ClientError::Closed { execution_id: Some(execution_id) },
            Self::Silent => {
                ClientError::Timeout { url, seconds: peer.timeout.as_secs_f64(), execution_id: Some(execution_id) }
            }
            Self::Refused(refusal) => ClientError::Lost { url, detail: refusal.message, execution_id },
            Self::Protocol(detail) => ClientError::Protocol { url, detail, execution_id: Some(execution_id) },
            Self::Tls(problem) => ClientError::Lost { detail: problem.text(&url), url, execution_id },
            Self::Mute => ClientError::Lost { url, detail: "it was closed".into(), execution_id },
            Self::Broken(detail) => ClientError::Lost { url, detail, execution_id },
            Self::Unauthenticated => ClientError::Authentication { url, key_given: peer.key_given },
        }
    }
}

/// The registry's word, which the executor adds because a gRPC code says less.
fn stated(status: &Status) -> Option<ErrorCode> {
    let word = status.metadata().get("codemode-error-code")?;
    ErrorCode::ALL.into_iter().find(|code| word == code.as_str())
}

/// A message and what lies beneath it, each part once: tonic's own messages say little.
pub(crate) fn detail(message: &str, mut source: Option<&(dyn Error + 'static)>) -> String {
    let mut parts = vec![message.to_string()];
    while let Some(error) = source {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = error.source();
    }
    parts.retain(|part| !part.is_empty());
    parts.join(": ")
}
