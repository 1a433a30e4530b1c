//! One `Execute` of the published protocol, on the way that all executions take. When the caller goes away, this future
//! is dropped, and with it the execution and its calls.
//!
//! The published client repeats what ends as UNAVAILABLE, RESOURCE_EXHAUSTED or DEADLINE_EXCEEDED. Only what ran nothing
//! ends so; what began has an answer, which is sent before the caller stops listening.

use std::time::Duration;

use codemode_engine::ExecutionEvent;
use codemode_proto::compat::{ExecutionRequest, ExecutionResponse};
use codemode_types::{ErrorCode, OutputStream, Rejection};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Status};

use super::{
    answer::{Collected, answer, fail},
    aside,
    calls::Calls,
    request,
    tool_service::{ToolService, Trace},
    tools,
};
use crate::{
    audit::Origin,
    executions::{Admitted, Executions, log_end},
    refusal,
};

/// What of the caller's patience is kept for the answer: a tenth, within these, and never more than half of it.
const SPARED: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// The longest wait that a timer of the runtime is given.
const DAY: Duration = Duration::from_secs(86_400);

pub(super) async fn run(
    executions: &Executions,
    service: Option<&ToolService>,
    origin: &Origin,
    request: Request<ExecutionRequest>,
) -> Result<ExecutionResponse, Status> {
    let arrived = Instant::now();
    let (metadata, _, request) = request.into_parts();
    let patience = request::deadline(&metadata).unwrap_or(DAY).min(DAY);
    let [least, most] = SPARED;
    let deadline = arrived + patience - (patience / 10).clamp(least, most).min(patience / 2);
    let mut name = String::new();
    let begun = async {
        if let Some(unready) = executions.unready() {
            return Err(NotBegun::Rejected(unready));
        }
        name = request::named(&metadata, &request)?;
        let overrides = request::overrides(&request)?;
        let trace = Trace::of(&metadata, &name);
        let specs = tools::offered(&request.available_tools, service, &trace).await.map_err(NotBegun::NoTools)?;
        let calls = Calls::new(service.cloned(), &request.available_tools, request.context.clone(), trace);
        Ok((request::request(executions, request, (&name, overrides, specs))?, calls))
    };
    let begun = timeout_at(deadline, begun).await;
    let (request, calls) = match begun.unwrap_or_else(|_| Err(NotBegun::NoTools(tools::late(service)))) {
        Ok(begun) => begun,
        Err(not_begun) => {
            executions.refused(origin, None, &not_begun.rejection()).await;
            return not_begun.answer(&name);
        }
    };
    match executions.admit(request, origin).await {
        Ok(admitted) => follow(admitted, calls, deadline).await,
        Err(rejection) => NotBegun::Rejected(rejection).answer(&name),
    }
}

async fn follow(mut admitted: Admitted, mut calls: Calls, deadline: Instant) -> Result<ExecutionResponse, Status> {
    let (execution, trail) = (&mut admitted.execution, &mut admitted.trail);
    let (mut stdout, mut stderr) = (Collected::default(), Collected::default());
    let mut is_late = false;
    loop {
        let event = tokio::select! {
            event = execution.events.recv() => event,
            (call_id, answer) = calls.next() => {
                execution.answer(call_id, answer);
                continue;
            }
            () = sleep_until(deadline), if !is_late => {
                is_late = true;
                execution.cancel();
                continue;
            }
        };
        let Some(event) = event else {
            return Err(Status::internal("the executor lost this execution; the code may have run in part"));
        };
        trail.hear(&event);
        trail.queued().await;
        match event {
            ExecutionEvent::Output { stream: OutputStream::Stdout, data } => stdout.take(&data),
            ExecutionEvent::Output { stream: OutputStream::Stderr, data } => stderr.take(&data),
            ExecutionEvent::ToolCall { call_id, name, arguments, .. } => {
                if let Err(failure) = calls.begin(call_id, name, arguments).await {
                    execution.answer(call_id, Err(failure));
                }
            }
            ExecutionEvent::ToolCallAbandoned { call_id, .. } => calls.abandon(call_id),
            ExecutionEvent::AnswerTaken { .. } | ExecutionEvent::Network(_) => {}
            ExecutionEvent::Finished(report) => {
                log_end(&report);
                let bytes = report.result.as_ref().map_or(0, Vec::len);
                return Ok(aside(bytes, move || answer(&report, &stdout, &stderr, is_late)).await);
            }
        }
    }
}

/// Why nothing ran.
enum NotBegun {
    Rejected(Rejection),
    NoTools(tools::NoTools),
}

impl From<Rejection> for NotBegun {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl NotBegun {
    fn rejection(&self) -> Rejection {
        match self {
            Self::Rejected(rejection) => rejection.clone(),
            Self::NoTools(tools::NoTools { message, .. }) => Rejection::new(ErrorCode::InvalidRequest, message),
        }
    }

    /// What whoever wrote the code can mend is an answer that a model reads; the rest is a status.
    fn answer(self, correlation_id: &str) -> Result<ExecutionResponse, Status> {
        let (error_type, message) = match &self {
            Self::Rejected(Rejection { code: ErrorCode::InvalidCode | ErrorCode::CodeTooLong, message }) => {
                ("Rejected", message)
            }
            Self::Rejected(rejection) => return Err(refusal::status(rejection)),
            Self::NoTools(tools::NoTools { error_type, message }) => (*error_type, message),
        };
        let mut response = ExecutionResponse { correlation_id: correlation_id.into(), ..ExecutionResponse::default() };
        fail(&mut response, error_type, message);
        Ok(response)
    }
}
