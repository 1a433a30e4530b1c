//! A refusal in the caller's own terms: a gRPC status, or RFC 9457 problem JSON.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use codemode_types::{ErrorCode, Rejection};
use serde_json::json;
use tonic::{Code, Status};

/// Answers a call that came with these headers.
pub(crate) fn respond(headers: &HeaderMap, rejection: &Rejection) -> Response {
    match is_grpc(headers) {
        true => status(rejection).into_http::<Body>(),
        false => problem(rejection),
    }
}

pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

pub(crate) fn status(rejection: &Rejection) -> Status {
    let code = match rejection.code {
        ErrorCode::InvalidRequest | ErrorCode::InvalidCode | ErrorCode::CodeTooLong | ErrorCode::Policy => {
            Code::InvalidArgument
        }
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::Overloaded => Code::ResourceExhausted,
        ErrorCode::Draining => Code::Unavailable,
        ErrorCode::Internal => Code::Internal,
    };
    let mut status = Status::new(code, &rejection.message);
    // What the status cannot tell apart.
    let word = tonic::metadata::MetadataValue::from_static(rejection.code.as_str());
    status.metadata_mut().insert("codemode-error-code", word);
    status
}

pub(crate) fn problem(rejection: &Rejection) -> Response {
    let (status, title) = match rejection.code {
        ErrorCode::InvalidRequest => (StatusCode::BAD_REQUEST, "The request is malformed"),
        ErrorCode::InvalidCode => (StatusCode::UNPROCESSABLE_ENTITY, "The code cannot be run"),
        ErrorCode::CodeTooLong => (StatusCode::UNPROCESSABLE_ENTITY, "The code is too long"),
        ErrorCode::Policy => (StatusCode::UNPROCESSABLE_ENTITY, "The executor's policy does not allow this"),
        ErrorCode::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not authenticated"),
        ErrorCode::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "The executor is busy"),
        ErrorCode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "The executor is stopping"),
        ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "The executor failed"),
    };
    let mut response = problem_response(status, title, &rejection.message, rejection.code);
    let headers = response.headers_mut();
    if rejection.code == ErrorCode::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if rejection.code.retryable() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// For refusals whose HTTP status says more than the code does: 404, 405, 413, 415.
pub(crate) fn problem_response(status: StatusCode, title: &str, detail: &str, code: ErrorCode) -> Response {
    let body = json!({
        "type": format!("urn:codemode:error:{code}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "code": code.as_str(),
        // As in the document of an execution; null where no outcome has a word for it.
        "outcome": code.outcome(),
        "retryable": code.retryable(),
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
