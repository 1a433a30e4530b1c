//! A refusal in the caller's own terms: a gRPC status, or RFC 9457 problem JSON.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use codemode_types::{ErrorCode, Rejection, catalogue};
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
    let status = match rejection.code {
        ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
        ErrorCode::InvalidCode | ErrorCode::CodeTooLong | ErrorCode::Policy => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Draining => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let title = catalogue::refusal(rejection.code).map_or("The request was refused", |entry| entry.title);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_says_what_callers_get() {
        for code in ErrorCode::ALL {
            let (rejection, entry) = (Rejection::new(code, "no"), catalogue::refusal(code).unwrap());
            assert_eq!(Some(problem(&rejection).status().as_u16()), entry.http, "{code}");
            let grpc = match status(&rejection).code() {
                Code::InvalidArgument => "INVALID_ARGUMENT",
                Code::Unauthenticated => "UNAUTHENTICATED",
                Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
                Code::Unavailable => "UNAVAILABLE",
                Code::Internal => "INTERNAL",
                other => panic!("{code} is {other:?}"),
            };
            assert_eq!(Some(grpc), entry.grpc, "{code}");
        }
    }
}
