//! The body of `POST /v1/executions`.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use codemode_engine::ExecutionRequest;
use codemode_types::{ErrorCode, Globals, LimitOverrides, Rejection};
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use crate::{
    audit,
    executions::{Executions, correlation_id, invalid, new_id},
    refusal,
};

pub(super) const CORRELATION_HEADER: &str = "x-correlation-id";

/// Timeouts are seconds. `context` and `config` are passed on as they are written, so that no number is changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    code: String,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
    code_timeout: Option<f64>,
    tool_timeout: Option<f64>,
    total_timeout: Option<f64>,
    max_code_length: Option<u64>,
    max_tool_calls: Option<u64>,
    check_tools: Option<bool>,
    artifact_bytes: Option<u64>,
    correlation_id: Option<String>,
    #[serde(borrow, default)]
    variables: Option<&'a RawValue>,
    keep_variables: Option<bool>,
    environment: Option<String>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

/// Why a body is no request.
pub(super) enum Unfit {
    /// The words may quote the body: they are for the caller alone.
    Unlike(StatusCode, String),
    Rejected(Rejection),
}

impl Unfit {
    pub(super) fn response(&self) -> Response {
        match self {
            Self::Unlike(status, detail) => {
                refusal::problem_response(*status, title(*status), detail, ErrorCode::InvalidRequest)
            }
            Self::Rejected(rejection) => refusal::problem(rejection),
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unlike(StatusCode::PAYLOAD_TOO_LARGE, _) => audit::TOO_LARGE,
            Self::Unlike(..) => ErrorCode::InvalidRequest.as_str(),
            Self::Rejected(rejection) => rejection.code.as_str(),
        }
    }

    /// Without a word of the body.
    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Unlike(status, _) => title(*status),
            Self::Rejected(rejection) => &rejection.message,
        }
    }
}

/// The request, or why there is none. The body is let go of here: what waits for its turn holds its code and values
/// once, and the engine counts them.
pub(super) fn read(
    executions: &Executions,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<ExecutionRequest, Unfit> {
    let unlike = |status, detail: &str| Err(Unfit::Unlike(status, detail.into()));
    if !is_json(headers) {
        return unlike(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
    }
    let bytes = body.map_err(|error| Unfit::Unlike(error.status(), error.body_text()))?;
    let body = parse(&bytes).map_err(|(status, detail)| Unfit::Unlike(status, detail))?;
    if body.tools.is_some() {
        let detail = "`tools` needs a way back to the caller, which HTTP does not have yet: use gRPC (codemode.v1) or a client library";
        return unlike(StatusCode::UNPROCESSABLE_ENTITY, detail);
    }
    for (name, value) in [("context", body.context), ("config", body.config), ("variables", body.variables)] {
        if value.is_some_and(|value| !value.get().trim_start().starts_with('{')) {
            let detail = format!("`{name}` must be an object: names and their values");
            return unlike(StatusCode::UNPROCESSABLE_ENTITY, &detail);
        }
    }
    request(executions, headers, body).map_err(Unfit::Rejected)
}

fn request(executions: &Executions, headers: &HeaderMap, body: Body<'_>) -> Result<ExecutionRequest, Rejection> {
    let raw = |value: Option<&RawValue>| value.map(|value| value.get().as_bytes().to_vec()).unwrap_or_default();
    Ok(ExecutionRequest {
        id: new_id()?,
        correlation_id: correlation_id(&named(headers, body.correlation_id.as_deref())?)?,
        code: body.code.into_bytes(),
        tools: Vec::new(),
        context: raw(body.context),
        config: raw(body.config),
        overrides: LimitOverrides {
            code_timeout: seconds("code_timeout", body.code_timeout)?,
            tool_timeout: seconds("tool_timeout", body.tool_timeout)?,
            total_timeout: seconds("total_timeout", body.total_timeout)?,
            max_code_length: body.max_code_length,
            max_tool_calls: body.max_tool_calls,
        },
        policy: executions.policy(),
        check_tools: body.check_tools.unwrap_or(true),
        artifact_bytes: body.artifact_bytes.unwrap_or(0),
        globals: Globals {
            variables: raw(body.variables),
            keep_variables: body.keep_variables.unwrap_or(false),
            bare_tools: false,
        },
        environment: body.environment,
    })
}

/// A web page can send any other type across origins without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn parse(bytes: &[u8]) -> Result<Body<'_>, (StatusCode, String)> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        _ => (StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
    })
}

/// The body's correlation id or the header's; empty where there is none.
fn named(headers: &HeaderMap, body: Option<&str>) -> Result<String, Rejection> {
    let header = match headers.get(CORRELATION_HEADER) {
        Some(value) => Some(value.to_str().map_err(|_| invalid("X-Correlation-ID must be printable ASCII"))?),
        None => None,
    };
    match (body, header) {
        (Some(body), Some(header)) if body != header => {
            Err(invalid("`correlation_id` and the header X-Correlation-ID say different things"))
        }
        (Some(text), _) | (None, Some(text)) => Ok(text.to_owned()),
        (None, None) => Ok(String::new()),
    }
}

fn seconds(field: &str, value: Option<f64>) -> Result<Option<Duration>, Rejection> {
    let Some(value) = value else { return Ok(None) };
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => Err(invalid(format!("`{field}` must be a number of seconds above 0"))),
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "The request is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Not JSON",
        StatusCode::UNPROCESSABLE_ENTITY => "The request cannot be served",
        _ => "The request is malformed",
    }
}
