//! `codemode.v1.Executor`, beside the standard health and reflection services.

mod pump;
mod request;
mod session;
mod single;
mod stopped;

use std::pin::Pin;

use axum::Router;
use codemode_proto::{FILE_DESCRIPTOR_SET, request_bytes, response_bytes, v1};
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, body::Body, server::NamedService};
use tonic_health::server::HealthReporter;
use tower::ServiceExt;
use v1::executor_server::{Executor, ExecutorServer};

use crate::{audit::Origin, executions::Executions};

/// Messages that wait for a slow reader, per stream; then its executions wait as well.
const OUTGOING: usize = 32;

type Outgoing = mpsc::Sender<Result<v1::ServerMessage, Status>>;

#[derive(Clone, Debug)]
struct Service {
    executions: Executions,
}

/// Every gRPC route, and the reporter that says NOT_SERVING while draining.
pub(crate) async fn routes(executions: &Executions) -> (Router, HealthReporter) {
    let limits = &executions.policy().limits;
    let executor = ExecutorServer::new(Service { executions: executions.clone() })
        .max_decoding_message_size(request_bytes(limits))
        .max_encoding_message_size(response_bytes(limits));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<ExecutorServer<Service>>().await;
    let mut router = add(Router::new(), executor);
    router = add(router, health);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => router = add(router, reflection),
        // The descriptors are part of the binary and a test reads them through reflection.
        Err(error) => tracing::error!(%error, "reflection is not served"),
    }
    (router, reporter)
}

pub(crate) async fn stop_serving(reporter: &HealthReporter) {
    reporter.set_not_serving::<ExecutorServer<Service>>().await;
    reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
}

fn add<S>(router: Router, service: S) -> Router
where
    S: tower::Service<axum::http::Request<Body>, Error = std::convert::Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    let path = format!("/{}/{{*method}}", S::NAME);
    router.route_service(&path, service.map_request(|request: axum::extract::Request| request.map(Body::new)))
}

/// As the guard put it there, which is on every path.
fn origin<T>(request: &Request<T>) -> Origin {
    request.extensions().get::<Origin>().cloned().unwrap_or_default()
}

#[tonic::async_trait]
impl Executor for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<v1::ServerMessage, Status>> + Send>>;
    type ExecuteStream = Self::ConnectStream;

    async fn connect(
        &self,
        request: Request<Streaming<v1::ClientMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let origin = origin(&request);
        tokio::spawn(session::run(self.executions.clone(), origin, request.into_inner(), outgoing));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn execute(
        &self,
        request: Request<Streaming<v1::ClientMessage>>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let origin = origin(&request);
        tokio::spawn(single::run(self.executions.clone(), origin, request.into_inner(), outgoing));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn get_info(&self, _: Request<v1::GetInfoRequest>) -> Result<Response<v1::Info>, Status> {
        Ok(Response::new(self.executions.info(&self.executions.policy()).into()))
    }
}
