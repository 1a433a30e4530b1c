//! A real executor on port 0, and the smallest clients that can talk to it.

use std::{
    future::Future,
    path::{Path, PathBuf},
};

use codemode_engine::{Engine, EngineConfig};
use codemode_proto::v1::{self, client_message, executor_client::ExecutorClient, server_message::Message};
use codemode_server::{
    ApiKeys, Audit, AuditTarget, Callback, Encryption, Reception, Running, Tls, bind_with,
    config::{CallbackSettings, ListenAddress},
    start_with,
};
use codemode_types::Policy;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

pub(crate) const KEY: &str = "a-key";

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

pub(crate) struct Served {
    /// Taken by tests that drain it.
    pub(crate) running: Option<Running>,
    pub(crate) address: String,
}

pub(crate) async fn serve(policy: Value) -> Served {
    serve_on("127.0.0.1:0", &[KEY], policy).await
}

pub(crate) async fn serve_on(address: &str, keys: &[&str], policy: Value) -> Served {
    serve_with(address, keys, policy, Reception::default()).await
}

pub(crate) async fn serve_with(address: &str, keys: &[&str], policy: Value, reception: Reception) -> Served {
    serve_all(address, keys, policy, reception, Audit::off()).await
}

pub(crate) async fn serve_audited(keys: &[&str], policy: Value, log: &Path) -> Served {
    let audit = Audit::open(Some(&AuditTarget::File(log.into()))).unwrap();
    serve_all("127.0.0.1:0", keys, policy, Reception::default(), audit).await
}

/// On loopback, with certificates; `log` is an audit log's path.
pub(crate) async fn serve_encrypted(keys: &ApiKeys, tls: &Tls, log: Option<&Path>) -> Served {
    let audit = Audit::open(log.map(|log| AuditTarget::File(log.into())).as_ref()).unwrap();
    let encryption = Encryption::Tls(tls.clone());
    serve_keys("127.0.0.1:0", keys, (json!({}), Faces::default()), audit, encryption).await
}

pub(crate) async fn serve_encrypted_with(keys: &ApiKeys, tls: &Tls, reception: Reception) -> Served {
    serve_keys("127.0.0.1:0", keys, (json!({}), (reception, None)), Audit::off(), Encryption::Tls(tls.clone())).await
}

/// With a set of keys that may change meanwhile.
pub(crate) async fn serve_rotating(keys: &ApiKeys) -> Served {
    serve_keys("127.0.0.1:0", keys, (json!({}), Faces::default()), Audit::off(), Encryption::Off).await
}

async fn serve_all(address: &str, keys: &[&str], policy: Value, reception: Reception, audit: Audit) -> Served {
    serve_keys(address, &ApiKeys::new(keys), (policy, (reception, None)), audit, Encryption::Off).await
}

/// With an application that serves tools at this address, as the published package does.
pub(crate) async fn serve_dialling(keys: &ApiKeys, target: &str, policy: Value, log: Option<&Path>) -> Served {
    let audit = Audit::open(log.map(|log| AuditTarget::File(log.into())).as_ref()).unwrap();
    let callback = Callback::load(CallbackSettings { target: target.parse().unwrap(), tls: None }).unwrap();
    let faces = (Reception::default(), Some(callback));
    serve_keys("127.0.0.1:0", keys, (policy, faces), audit, Encryption::Off).await
}

type Faces = (Reception, Option<Callback>);

async fn serve_keys(
    address: &str,
    keys: &ApiKeys,
    (policy, faces): (Value, Faces),
    audit: Audit,
    encryption: Encryption,
) -> Served {
    let policy = Policy::from_value(&policy, Path::new("/")).unwrap();
    let config = EngineConfig { policy, interpreter: interpreter(), guest_library: guest_library() };
    let engine = Engine::start(config).await.unwrap();
    let address: ListenAddress = address.parse().unwrap();
    let listener = bind_with(&address, keys, encryption).await.unwrap();
    let running = start_with(engine, keys, vec![listener], audit, faces).await;
    let address = running.addresses()[0].clone();
    Served { running: Some(running), address }
}

/// The system's, if it has one: what comes first on a developer's PATH is often a slow wrapper.
fn interpreter() -> PathBuf {
    if Path::new("/usr/bin/python3").is_file() {
        return "/usr/bin/python3".into();
    }
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|path| path.is_file());
    found.expect("python3 on PATH")
}

fn guest_library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().parent().unwrap().join("libcodemode_guest.so");
    assert!(library.is_file(), "{} is missing: run `cargo build -p codemode-guest` first", library.display());
    library
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Served {
    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.post_text(&body.to_string(), &[]).await
    }

    pub(crate) async fn post_text(&self, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("x-api-key", KEY), ("content-type", "application/json")];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend_from_slice(headers);
        self.http("POST", "/v1/executions", &all, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.http("GET", path, &[], "").await
    }

    pub(crate) async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request(method, path, headers, body).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.into(), body: body.into() }
    }

    /// A request whose answer nobody waits for.
    pub(crate) async fn post_and_hold(&self, body: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let headers = [("x-api-key", KEY), ("content-type", "application/json")];
        let request = request("POST", "/v1/executions", &headers, &body.to_string());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// What a gRPC client without TLS says of a port with it.
    pub(crate) async fn plain_channel_error(&self) -> String {
        let mut bare = ExecutorClient::new(self.channel().await);
        let status = bare.get_info(v1::GetInfoRequest {}).await.unwrap_err();
        format!("{status:?}")
    }

    pub(crate) async fn executor(&self) -> Executor {
        ExecutorClient::with_interceptor(self.channel().await, WithKey).max_decoding_message_size(64 << 20)
    }

    /// A `Connect` stream after its greeting.
    pub(crate) async fn connect(&self) -> Stream {
        let mut stream = self.connect_with(v1::Hello::default()).await;
        assert!(matches!(stream.next().await.unwrap().message, Some(Message::Welcome(_))));
        stream
    }

    pub(crate) async fn connect_with(&self, hello: v1::Hello) -> Stream {
        let (outgoing, messages) = mpsc::unbounded_channel();
        outgoing.send(v1::ClientMessage::hello(hello)).unwrap();
        let incoming =
            self.executor().await.connect(UnboundedReceiverStream::new(messages)).await.unwrap().into_inner();
        Stream { outgoing: Some(outgoing), incoming }
    }

    pub(crate) async fn execute(&self, first: v1::ClientMessage) -> Stream {
        let (outgoing, messages) = mpsc::unbounded_channel();
        outgoing.send(first).unwrap();
        let incoming =
            self.executor().await.execute(UnboundedReceiverStream::new(messages)).await.unwrap().into_inner();
        Stream { outgoing: Some(outgoing), incoming }
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str("Host: localhost\r\n");
    }
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    format!("{text}\r\n{body}")
}

pub(crate) type Executor = ExecutorClient<InterceptedService<Channel, WithKey>>;

#[derive(Clone)]
pub(crate) struct WithKey;

impl Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let key: MetadataValue<Ascii> = format!("Bearer {KEY}").parse().unwrap();
        request.metadata_mut().insert("authorization", key);
        Ok(request)
    }
}

/// Either kind of stream.
pub(crate) struct Stream {
    pub(crate) outgoing: Option<mpsc::UnboundedSender<v1::ClientMessage>>,
    pub(crate) incoming: Streaming<v1::ServerMessage>,
}

impl Stream {
    pub(crate) fn send(&self, id: &str, message: impl Into<client_message::Message>) {
        let message = v1::ClientMessage { execution_id: id.into(), message: Some(message.into()) };
        self.outgoing.as_ref().unwrap().send(message).unwrap();
    }

    pub(crate) fn start(&self, id: &str, code: &str) {
        self.send(id, started(code));
    }

    pub(crate) async fn next(&mut self) -> Result<v1::ServerMessage, Status> {
        self.incoming.message().await.map(|message| message.expect("another message"))
    }

    /// The next message of one execution, past `Accepted`.
    pub(crate) async fn of(&mut self, id: &str) -> Message {
        loop {
            let message = self.next().await.unwrap();
            match message.message.unwrap() {
                Message::Accepted(_) => {}
                inner if message.execution_id == id => return inner,
                _ => {}
            }
        }
    }

    pub(crate) async fn finished(&mut self, id: &str) -> v1::Finished {
        loop {
            match self.of(id).await {
                Message::Finished(finished) => return finished,
                Message::Rejected(rejected) => panic!("{rejected:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn rejected(&mut self, id: &str) -> v1::Rejected {
        match self.of(id).await {
            Message::Rejected(rejected) => rejected,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn started(code: &str) -> v1::Start {
    v1::Start { code: code.into(), ..v1::Start::default() }
}

/// Says `up`, then goes on for longer than any test.
pub(crate) const ENDLESS: &str = "import time\nprint('up', flush=True)\ntime.sleep(600)";

/// One place and no queue: whether something runs can be asked.
pub(crate) fn one_place() -> Value {
    json!({"max_concurrent_executions": 1, "queue": 0})
}
