//! `POST /v1/executions`. When the caller goes away, hyper drops this future and with it the execution.

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use codemode_engine::{ExecutionEvent, ExecutionRequest};
use codemode_types::{ErrorCode, ExecutionReport, OutputStream, Rejection, ToolFailure};

use super::{answer, request};
use crate::{
    audit::Origin,
    executions::{Executions, log_end},
    refusal,
};

pub(super) async fn execute(
    State(executions): State<Executions>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = match request::read(&executions, &headers, body) {
        Ok(request) => request,
        Err(unfit) => {
            executions.audit().refused(&origin, None, unfit.reason(), unfit.detail()).await;
            return unfit.response();
        }
    };
    let names = [
        ("x-execution-id", request.id.as_str().to_owned()),
        (request::CORRELATION_HEADER, request.correlation_id.as_str().to_owned()),
    ];
    let mut response = match finish(&executions, request, &origin).await {
        Ok(finished) => answer::answer(&finished),
        Err(rejection) => refusal::problem(&rejection),
    };
    for (name, value) in names {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

pub(super) struct Finished {
    pub(super) report: ExecutionReport,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// The engine caps both streams, so collecting them is bounded.
async fn finish(executions: &Executions, request: ExecutionRequest, origin: &Origin) -> Result<Finished, Rejection> {
    let mut admitted = executions.admit(request, origin).await?;
    let (execution, trail) = (&mut admitted.execution, &mut admitted.trail);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(event) = execution.events.recv().await {
        trail.hear(&event);
        trail.queued().await;
        match event {
            ExecutionEvent::Output { stream: OutputStream::Stdout, data } => stdout.extend_from_slice(&data),
            ExecutionEvent::Output { stream: OutputStream::Stderr, data } => stderr.extend_from_slice(&data),
            ExecutionEvent::ToolCall { call_id, name, .. } => {
                let failure = ToolFailure::new("ToolNotFound", format!("{name}: this request offers no tools"));
                execution.answer(call_id, Err(failure));
            }
            ExecutionEvent::ToolCallAbandoned { .. }
            | ExecutionEvent::AnswerTaken { .. }
            | ExecutionEvent::Network(_) => {}
            ExecutionEvent::Finished(mut report) => {
                log_end(&report);
                // `Accepted` has no place of its own here.
                report.warnings.splice(0..0, missing(&execution.warnings, &report.warnings));
                return Ok(Finished { report: *report, stdout, stderr });
            }
        }
    }
    Err(Rejection::new(ErrorCode::Internal, "the executor lost this execution; the code may have run in part"))
}

fn missing(accepted: &[String], reported: &[String]) -> Vec<String> {
    accepted.iter().filter(|warning| !reported.contains(warning)).cloned().collect()
}
