//! Asking the application. Whatever goes wrong on the way is a no.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use codemode_types::ExecutionId;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::{Hold, python::quoted};

const FAILED: &str = "it could not be asked for approval; the application's log has the reason";

/// One call that waits for a decision.
///
/// ```
/// use codemode_client::{ApprovalDecision, ApprovalRequest, Tools};
///
/// let tools = Tools::new().on_approval(|request: ApprovalRequest| async move {
///     match request.context["user"].as_str() {
///         Some("admin") => ApprovalDecision::allow(),
///         _ => ApprovalDecision::deny(format!("only an admin may call {}", request.tool)),
///     }
/// });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// The tool's name.
    pub tool: String,
    /// An object of tagged JSON, as the code gave them. They are valid, and no default is filled in.
    pub arguments: Value,
    /// Which rule wants the decision.
    pub reason: String,
    /// What the client gave the execution with [`Request::context`](crate::Request::context); null if nothing.
    pub context: Value,
    /// The execution that the call belongs to.
    pub execution_id: ExecutionId,
    /// Unique in its execution.
    pub call_id: u64,
}

/// An answer to an [`ApprovalRequest`]. A plain `bool` is one, too.
///
/// ```
/// use codemode_client::ApprovalDecision;
///
/// assert!(ApprovalDecision::allow().allow);
/// let no = ApprovalDecision::deny("not on a Friday");
/// assert_eq!((no.allow, no.reason.as_deref()), (false, Some("not on a Friday")));
/// assert_eq!(ApprovalDecision::from(true), ApprovalDecision::allow());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalDecision {
    /// Whether the call may run.
    pub allow: bool,
    /// What the code is told where it may not.
    pub reason: Option<String>,
}

impl ApprovalDecision {
    /// The call may run.
    ///
    /// ```
    /// assert!(codemode_client::ApprovalDecision::allow().allow);
    /// ```
    pub fn allow() -> Self {
        Self { allow: true, reason: None }
    }

    /// It may not, and the code is told why.
    ///
    /// ```
    /// assert!(!codemode_client::ApprovalDecision::deny("too expensive").allow);
    /// ```
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { allow: false, reason: Some(reason.into()) }
    }
}

impl From<bool> for ApprovalDecision {
    fn from(allow: bool) -> Self {
        Self { allow, reason: None }
    }
}

type Decision = Pin<Box<dyn Future<Output = ApprovalDecision> + Send>>;

/// The application's callback.
#[derive(Clone)]
pub(crate) struct Approver(Arc<dyn Fn(ApprovalRequest) -> Decision + Send + Sync>);

impl Approver {
    pub(crate) fn new<F, R>(callback: F) -> Self
    where
        F: Fn(ApprovalRequest) -> R + Send + Sync + 'static,
        R: Future<Output: Into<ApprovalDecision>> + Send + 'static,
    {
        let callback = Arc::new(callback);
        Self(Arc::new(move |request| {
            let callback = Arc::clone(&callback);
            Box::pin(async move { callback(request).await.into() })
        }))
    }
}

impl fmt::Debug for Approver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Approver")
    }
}

/// Whether the call may run, or what the code is told. The call's clock stands still meanwhile.
pub(crate) async fn consult(approver: &Approver, request: ApprovalRequest, hold: &Hold) -> Result<(), String> {
    let (tool, reason) = (request.tool.clone(), request.reason.clone());
    hold.set(true);
    // In a task of its own, where a panic is no more than an answer. It goes when nobody waits for the call any more.
    let asked = AbortOnDropHandle::new(tokio::spawn((approver.0)(request))).await;
    hold.set(false);
    let decision = asked.unwrap_or_else(|error| {
        tracing::error!(%tool, %error, "on_approval failed");
        ApprovalDecision::deny(FAILED)
    });
    match decision {
        ApprovalDecision { allow: true, .. } => Ok(()),
        ApprovalDecision { reason: given, .. } => {
            Err(denial(&tool, &given.unwrap_or_else(|| format!("the application said no ({reason})"))))
        }
    }
}

/// What the code is told about a call that does not run.
pub(crate) fn denial(tool: &str, reason: &str) -> String {
    format!("the call of tool {} was denied: {reason}", quoted(tool))
}
