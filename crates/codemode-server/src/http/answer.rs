//! A finished execution as JSON. The result is the guest's own text, so that no digit of it changes.

use std::time::Duration;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use codemode_types::{ErrorCode, ExecutionReport, Isolation, Outcome, Rejection, Usage};
use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::execute::Finished;
use crate::refusal;

#[derive(Serialize)]
struct Answer<'a> {
    execution_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    success: bool,
    outcome: Option<&'a str>,
    exit_code: Option<i32>,
    result: Option<Box<RawValue>>,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Box<RawValue>>,
    stdout: &'a str,
    stderr: &'a str,
    stdout_truncated: bool,
    stderr_truncated: bool,
    error: Option<Value>,
    tool_calls: Vec<ToolCall<'a>>,
    artifacts: Vec<Value>,
    violations: Vec<Value>,
    usage: Value,
    isolation: Option<&'a Isolation>,
    warnings: &'a [String],
    duration_ms: f64,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    name: &'a str,
    arguments: Option<Box<RawValue>>,
    status: &'a str,
    duration_ms: f64,
    error: &'a str,
}

pub(super) fn answer(finished: &Finished) -> Response {
    let Finished { report, stdout, stderr } = finished;
    match report_json(report, &String::from_utf8_lossy(stdout), &String::from_utf8_lossy(stderr)) {
        Ok(body) => (status(report.outcome), [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            refusal::problem(&Rejection::new(ErrorCode::Internal, "the answer could not be written"))
        }
    }
}

/// How the code ended is in the document. The status says besides where it was not the code that ended it.
fn status(outcome: Outcome) -> StatusCode {
    let number = match outcome {
        Outcome::Cancelled => 499,
        Outcome::Interrupted => 409,
        _ => 200,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::OK)
}

/// The one JSON form of a report, for HTTP and for `codemode run --json`.
pub fn report_json(report: &ExecutionReport, stdout: &str, stderr: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Answer {
        execution_id: Some(report.execution_id.as_str()),
        correlation_id: Some(report.correlation_id.as_str()),
        success: report.outcome == Outcome::Ok,
        outcome: Some(report.outcome.as_str()),
        exit_code: Some(report.exit_code),
        result: report.result.as_deref().and_then(verbatim),
        variables: report.variables.as_deref().and_then(verbatim),
        stdout,
        stderr,
        stdout_truncated: report.stdout_truncated,
        stderr_truncated: report.stderr_truncated,
        error: error(report),
        tool_calls: tool_calls(report),
        artifacts: artifacts(report),
        violations: violations(report),
        usage: usage(&report.usage),
        isolation: Some(&report.isolation),
        warnings: &report.warnings,
        duration_ms: milliseconds(report.duration),
    })
}

/// An execution without a report: refused, or lost sight of.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub execution_id: Option<&'a str>,
    /// `rejected`, or none where it is not known how the code ended, or whether it ran.
    pub outcome: Option<&'a str>,
    pub error_type: &'a str,
    pub message: &'a str,
}

/// The same document as `report_json`, so that a program reads one shape. There is no exit code and nothing was used.
pub fn refusal_json(refusal: &Refusal<'_>) -> serde_json::Result<Vec<u8>> {
    let &Refusal { execution_id, outcome, error_type, message } = refusal;
    serde_json::to_vec(&Answer {
        execution_id,
        correlation_id: None,
        success: false,
        outcome,
        exit_code: None,
        result: None,
        variables: None,
        stdout: "",
        stderr: "",
        stdout_truncated: false,
        stderr_truncated: false,
        error: Some(json!({"error_type": error_type, "message": message, "traceback": "", "line": null})),
        tool_calls: Vec::new(),
        artifacts: Vec::new(),
        violations: Vec::new(),
        usage: usage(&Usage::default()),
        isolation: None,
        warnings: &[],
        duration_ms: 0.0,
    })
}

/// The text itself if it is JSON. Anything else (arguments cut at their cap, or a hostile guest's result) goes out as a
/// string, which it cannot leave.
fn verbatim(text: &[u8]) -> Option<Box<RawValue>> {
    let text = String::from_utf8_lossy(text).into_owned();
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(value) => Some(value.to_owned()),
        Err(_) => to_raw_value(&text).ok(),
    }
}

fn error(report: &ExecutionReport) -> Option<Value> {
    let failure = report.failure.as_ref()?;
    Some(json!({
        "error_type": failure.error_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "line": failure.line,
    }))
}

fn tool_calls(report: &ExecutionReport) -> Vec<ToolCall<'_>> {
    let calls = report.tool_calls.iter().map(|call| ToolCall {
        name: &call.name,
        arguments: verbatim(&call.arguments),
        status: call.status.as_str(),
        duration_ms: milliseconds(call.duration),
        error: &call.error,
    });
    calls.collect()
}

fn artifacts(report: &ExecutionReport) -> Vec<Value> {
    let artifacts = report.artifacts.iter().map(|artifact| {
        let mut item = json!({
            "path": artifact.path,
            "size": artifact.size,
            "mime_type": artifact.mime_type,
            "sha256": artifact.sha256,
            "host_path": artifact.host_path.as_ref().map(|path| path.to_string_lossy()),
        });
        if let Some(data) = &artifact.data {
            item["data"] = BASE64_STANDARD.encode(data).into();
        }
        item
    });
    artifacts.collect()
}

fn violations(report: &ExecutionReport) -> Vec<Value> {
    let violations = report.violations.iter().map(
        |violation| json!({"kind": violation.kind, "detail": violation.detail, "source": violation.source.as_str()}),
    );
    violations.collect()
}

pub(crate) fn usage(usage: &Usage) -> Value {
    json!({
        "wall_ms": milliseconds(usage.wall),
        "guest_ms": milliseconds(usage.guest),
        "tool_ms": milliseconds(usage.tool),
        "cpu_ms": milliseconds(usage.cpu),
        "peak_memory_bytes": usage.peak_memory_bytes,
    })
}

/// To the microsecond, which is what the clocks behind it are good for.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use codemode_types::{
        Outcome,
        catalogue::{Kind, entries},
    };

    use super::{status, verbatim};

    #[test]
    fn the_catalogue_says_the_status_of_each_outcome() {
        for outcome in Outcome::ALL {
            let entry = entries().find(|it| it.kind == Kind::Outcome && it.code == outcome.as_str()).unwrap();
            assert_eq!(status(outcome).as_u16(), entry.http.unwrap_or(200), "{outcome}");
        }
    }

    #[test]
    fn numbers_keep_every_digit_and_hostile_text_stays_a_string() {
        let get = |text: &[u8]| verbatim(text).unwrap().get().to_owned();
        assert_eq!(get(b"12345678901234567890123"), "12345678901234567890123");
        assert_eq!(get(b" {\"a\": 1.10} "), "{\"a\": 1.10}");
        assert_eq!(get(b"1, \"success\": true"), r#""1, \"success\": true""#);
        assert_eq!(get(b"{\"cut"), r#""{\"cut""#);
    }
}
