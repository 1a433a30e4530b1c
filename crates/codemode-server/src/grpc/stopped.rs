//! Why a stream ended early, and whether the audit log has it already.

use codemode_types::ErrorCode;
use tonic::{Code, Status};

use crate::audit::{Audit, Origin, TOO_LARGE};

#[derive(Debug)]
pub(super) enum Stopped {
    /// A refusal that the audit log has, with all that is known of its execution.
    Recorded(Status),
    Other(Status),
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        Self::Other(status)
    }
}

impl Stopped {
    /// The status for the client. What the stream was refused for is in the audit log then.
    pub(super) async fn told(self, audit: &Audit, origin: &Origin) -> Status {
        match self {
            Self::Recorded(status) => status,
            Self::Other(status) => {
                if let Some(reason) = reason(&status) {
                    audit.refused(origin, None, reason, status.message()).await;
                }
                status
            }
        }
    }
}

/// `None` where nothing was refused: the client went away, or the executor stops.
fn reason(status: &Status) -> Option<&'static str> {
    match status.code() {
        Code::InvalidArgument | Code::Internal => Some(ErrorCode::InvalidRequest.as_str()),
        // What tonic says of a message that is larger than it may be.
        Code::OutOfRange | Code::ResourceExhausted => Some(TOO_LARGE),
        _ => None,
    }
}
