//! A scripted `codemode.v1.Executor` on a Unix socket: the test says what each stream does.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use codemode_client::{Client, ClientOptions};
use codemode_proto::v1::{
    self, client_message,
    executor_server::{Executor, ExecutorServer},
    server_message::Message,
};
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::mpsc};
use tokio_stream::wrappers::{UnboundedReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

pub(crate) const KEY: &str = "correct-key";

/// One `Connect` stream, from the executor's side.
pub(crate) struct Peer {
    incoming: Streaming<v1::ClientMessage>,
    outgoing: mpsc::UnboundedSender<Result<v1::ServerMessage, Status>>,
}

impl Peer {
    /// The next message, or `None` where the client ended the stream.
    pub(crate) async fn receive(&mut self) -> Option<(String, client_message::Message)> {
        let frame = self.incoming.message().await.ok().flatten()?;
        Some((frame.execution_id, frame.message.unwrap()))
    }

    /// The id of the `Start` that must come next.
    pub(crate) async fn started(&mut self) -> (String, v1::Start) {
        match self.receive().await {
            Some((id, client_message::Message::Start(start))) => (id, start),
            other => panic!("expected Start, got {other:?}"),
        }
    }

    pub(crate) fn send(&self, id: &str, message: impl Into<Message>) {
        let _ = self.outgoing.send(Ok(v1::ServerMessage::new(id, message)));
    }

    pub(crate) fn fail(&self, status: Status) {
        let _ = self.outgoing.send(Err(status));
    }

    pub(crate) async fn greet(&mut self) -> v1::Hello {
        let Some((_, client_message::Message::Hello(hello))) = self.receive().await else { panic!("no hello") };
        self.send("", info());
        hello
    }
}

type Play = Arc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Service(Play);

#[tonic::async_trait]
impl Executor for Service {
    type ConnectStream = UnboundedReceiverStream<Result<v1::ServerMessage, Status>>;
    type ExecuteStream = Self::ConnectStream;

    async fn connect(
        &self,
        request: Request<Streaming<v1::ClientMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let key = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if key != Some(&format!("Bearer {KEY}")) {
            return Err(Status::unauthenticated("no"));
        }
        let (outgoing, messages) = mpsc::unbounded_channel();
        tokio::spawn((self.0)(Peer { incoming: request.into_inner(), outgoing }));
        Ok(Response::new(UnboundedReceiverStream::new(messages)))
    }

    async fn execute(&self, _: Request<Streaming<v1::ClientMessage>>) -> Result<Response<Self::ExecuteStream>, Status> {
        Err(Status::unimplemented("execute"))
    }

    async fn get_info(&self, _: Request<v1::GetInfoRequest>) -> Result<Response<v1::Info>, Status> {
        Ok(Response::new(info()))
    }
}

/// Serves until dropped.
pub(crate) struct Server {
    folder: TempDir,
    _stop: tokio::task::JoinSet<()>,
}

impl Server {
    pub(crate) fn start<F, R>(play: F) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let service = Service(Arc::new(move |peer| Box::pin(play(peer))));
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let server = tonic::transport::Server::builder().add_service(ExecutorServer::new(service));
            server.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
        });
        Self { folder, _stop: tasks }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn options(&self) -> ClientOptions {
        let url = format!("unix://{}", self.socket().display());
        ClientOptions { api_key: Some(KEY.into()), ..ClientOptions::new(url) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.options()).unwrap()
    }
}

pub(crate) fn info() -> v1::Info {
    let policy = codemode_types::Policy::default().to_value().to_string().into_bytes();
    v1::Info {
        version: "1".into(),
        isolation: Some(isolation()),
        policy,
        max_concurrent_executions: 2,
        ..v1::Info::default()
    }
}

fn isolation() -> v1::Isolation {
    v1::Isolation { tier: "full".into(), ..v1::Isolation::default() }
}

pub(crate) fn finished(result: &str) -> v1::Finished {
    v1::Finished {
        outcome: "ok".into(),
        result: Some(result.into()),
        usage: Some(v1::Usage::default()),
        isolation: Some(isolation()),
        correlation_id: "cm-1".into(),
        ..v1::Finished::default()
    }
}

pub(crate) fn tool_call(call_id: u64, name: &str, arguments: &str) -> v1::ToolCall {
    v1::ToolCall { call_id, name: name.into(), arguments: arguments.into(), timeout_ms: 1000 }
}

pub(crate) fn output(text: &str) -> v1::Output {
    v1::Output::of(codemode_types::OutputStream::Stdout, bytes::Bytes::copy_from_slice(text.as_bytes()))
}
