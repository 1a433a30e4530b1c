//! HTTP for clients without gRPC: executions as JSON, and the probes.

mod answer;
mod execute;
mod request;

pub use answer::{Refusal, refusal_json, report_json};
pub(crate) use answer::{milliseconds, usage};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use codemode_proto::request_bytes;
use codemode_types::ErrorCode;
use serde_json::json;
use tonic::Status;

use crate::{executions::Executions, refusal};

pub(crate) fn routes(executions: &Executions) -> Router {
    let cap = request_bytes(&executions.policy().limits);
    Router::new()
        .route("/v1/executions", post(execute::execute).layer(DefaultBodyLimit::max(cap)))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .with_state(executions.clone())
}

async fn healthz() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

async fn readyz(State(executions): State<Executions>) -> Response {
    match executions.unready() {
        None => Json(json!({"status": "ready"})).into_response(),
        Some(rejection) if rejection.code == ErrorCode::Draining => refusal::problem(&rejection),
        // Whoever asks has shown no key: the reason is in the log.
        Some(rejection) => {
            let detail = "nothing can run now; the executor's log says why";
            refusal::problem_response(StatusCode::SERVICE_UNAVAILABLE, "Not ready", detail, rejection.code)
        }
    }
}

async fn not_found(request: Request) -> Response {
    if refusal::is_grpc(request.headers()) {
        return Status::unimplemented("no such service").into_http::<axum::body::Body>();
    }
    let detail = format!("{} is not a path of this executor", request.uri().path());
    refusal::problem_response(StatusCode::NOT_FOUND, "Not found", &detail, ErrorCode::InvalidRequest)
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("{} is not a method of {}", request.method(), request.uri().path());
    refusal::problem_response(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", &detail, ErrorCode::InvalidRequest)
}
