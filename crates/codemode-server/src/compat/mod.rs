//! The wire protocol of the package `opencodemode`, served to its unmodified clients beside our own.
//!
//! An adapter: authentication, admission, limits and audit are those of every other execution. Tool calls go to one
//! address, which only the configuration says. `docs/adr/0003-the-published-protocol.md` has the reasons.

mod answer;
mod callback;
mod calls;
mod meta;
mod received;
mod request;
mod run;
mod tool_service;
mod tools;
pub mod values;

use std::{future::pending, panic::resume_unwind};

use axum::Router;
use codemode_proto::{
    compat::{
        ExecutionRequest, ExecutionResponse, HealthResponse,
        executor_service_server::{ExecutorService, ExecutorServiceServer},
    },
    request_bytes,
};
use tokio::task::{JoinError, spawn_blocking};
use tonic::{Request, Response, Status, body::Body};
use tower::ServiceExt as _;

pub use callback::Callback;

use self::tool_service::ToolService;
use crate::{audit::Origin, auth::ApiKeys, executions::Executions};

const HEALTH: &str = "/codemode.ExecutorService/Health";
const READY: &str = "/codemode.ExecutorService/Ready";
const EXECUTE: &str = "/codemode.ExecutorService/Execute";

/// Published clients send no key with these.
pub(crate) const PROBES: [&str; 2] = [HEALTH, READY];
/// They carry nothing; whoever asks has shown no key.
const PROBE_BYTES: usize = 1 << 10;

#[derive(Clone, Debug)]
struct Service {
    executions: Executions,
    tools: Option<ToolService>,
}

/// Must be called inside a tokio runtime.
pub(crate) fn routes(executions: &Executions, callback: Option<Callback>, keys: &ApiKeys) -> Router {
    let limits = &executions.policy().limits;
    let tools = callback.map(|callback| ToolService::new(callback, keys.clone(), limits));
    let service = Service { executions: executions.clone(), tools };
    let server = || ExecutorServiceServer::new(service.clone());
    let served = |server: ExecutorServiceServer<Service>| {
        server.map_request(|request: axum::extract::Request| request.map(Body::new))
    };
    Router::new()
        .route_service(EXECUTE, served(server().max_decoding_message_size(request_bytes(limits))))
        .route_service(HEALTH, served(server().max_decoding_message_size(PROBE_BYTES)))
        .route_service(READY, served(server().max_decoding_message_size(PROBE_BYTES)))
}

#[tonic::async_trait]
impl ExecutorService for Service {
    async fn execute(&self, request: Request<ExecutionRequest>) -> Result<Response<ExecutionResponse>, Status> {
        // As the guard put it there.
        let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
        run::run(&self.executions, self.tools.as_ref(), &origin, request).await.map(Response::new)
    }

    async fn health(&self, _: Request<()>) -> Result<Response<HealthResponse>, Status> {
        Ok(Response::new(health("healthy")))
    }

    /// Whether code can run, with its tools where the configuration says where they are.
    async fn ready(&self, _: Request<()>) -> Result<Response<HealthResponse>, Status> {
        let status = match (&self.tools, self.executions.unready()) {
            (_, Some(_)) => "not ready",
            (Some(tools), None) if !tools.is_reachable().await => "unreachable",
            _ => "ready",
        };
        Ok(Response::new(health(status)))
    }
}

/// What is longer is worked on beside the executor's one thread: code must not keep it from other executions.
const LARGE: usize = 64 << 10;

async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < LARGE {
        return work();
    }
    match spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is about to end, and this with it.
        Err(Err(_)) => pending().await,
    }
}

/// The beginning of a text, in bytes.
fn clipped(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Says nothing of the executor or the application: whoever asks has shown no key.
fn health(status: &str) -> HealthResponse {
    HealthResponse { status: status.into(), ..HealthResponse::default() }
}
