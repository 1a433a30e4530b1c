use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use codemode_proto::{ExecutorInfo, v1};
use codemode_types::{ExecutionId, OutputStream};
use tokio::sync::Mutex;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    ClientError, ClientOptions, EmbeddedOptions, ExecutionOutcome, OutputSink, Request, ToolHost,
    address::Address,
    dial::{Dial, bearer},
    embedded::{Host, Location},
    execution,
    link::Link,
    new_execution_id,
    output::Closure,
    status::{LinkFailure, Peer},
    tls::Tls,
};

/// A connection to one executor, made when it is first needed. Clones share it. Wants a tokio runtime with time and
/// I/O that goes on running: the connection lives in a task of the runtime that dialled.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    /// Held while dialling, so that many callers make one connection.
    link: Mutex<Option<Arc<Link>>>,
    closed: AtomicBool,
}

enum Target {
    Remote(Box<Dial>),
    Embedded(Arc<Host>),
}

impl Client {
    /// Checks the options; does not dial yet.
    pub fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let key = options.api_key.as_deref().filter(|key| !key.is_empty());
        let address = Address::parse(&options.url)?;
        let dial = Dial {
            tls: Tls::of(&options.url, &address, options.tls)?,
            address,
            key: key.map(bearer).transpose()?,
            peer: Peer { url: options.url, timeout: checked(options.timeout)?, key_given: key.is_some() },
            hello: v1::Hello { client: options.client, policy: options.policy.unwrap_or_default().into_bytes() },
        };
        Ok(Self::of(Target::Remote(Box::new(dial))))
    }

    /// An executor of this process's own. Starts when it is first needed, ends with [`Client::close`], with the last
    /// clone, and with this process, however that ends.
    pub fn embedded(options: EmbeddedOptions) -> Result<Self, ClientError> {
        checked(options.timeout)?;
        Ok(Self::of(Target::Embedded(Arc::new(Host::new(options, None)))))
    }

    fn of(target: Target) -> Self {
        let shared = Shared { target, link: Mutex::new(None), closed: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// A client for the child of a `fork`, where this one's tasks do not exist; call it there, and leak this one.
    /// An embedded executor stays the parent's and is shared; if it is gone, the child starts its own.
    pub fn for_forked_child(&self) -> Self {
        let target = match &self.shared.target {
            Target::Remote(dial) => Target::Remote(dial.clone()),
            Target::Embedded(host) => Target::Embedded(Arc::new(host.for_forked_child())),
        };
        let child = Self::of(target);
        child.shared.closed.store(self.is_closed(), Ordering::Relaxed);
        child
    }

    /// Runs code and calls `output` with its output as it comes; a copy of it is in the outcome.
    ///
    /// Dropping the future cancels the execution and drops the futures of its tool calls.
    pub async fn execute<F>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        output: F,
    ) -> Result<ExecutionOutcome, ClientError>
    where
        F: FnMut(OutputStream, &[u8]) + Send,
    {
        self.execute_to(request, tools, Closure(output)).await
    }

    /// The same with a sink that may take its time.
    pub async fn execute_to<S: OutputSink>(
        &self,
        request: Request,
        tools: Arc<dyn ToolHost>,
        sink: S,
    ) -> Result<ExecutionOutcome, ClientError> {
        let id: ExecutionId = match &request.execution_id {
            Some(id) => id.clone(),
            None => new_execution_id()?,
        };
        let link = self.link().await?;
        execution::run(&link, id, request, tools, sink).await
    }

    /// What the executor is and enforces. Connects if need be.
    pub async fn info(&self) -> Result<ExecutorInfo, ClientError> {
        Ok(self.link().await?.info.clone())
    }

    /// Whether the executor says that it serves. Asks over a connection of its own and without the key.
    pub async fn health(&self) -> Result<bool, ClientError> {
        self.ensure_open()?;
        let dial = match &self.shared.target {
            Target::Remote(dial) => dial.as_ref().clone(),
            Target::Embedded(host) => self.started(host).await?.dial(host.timeout())?,
        };
        let question = HealthCheckRequest { service: String::new() };
        let ask = async {
            let (channel, pulse) = dial.channel().await?;
            let answer = HealthClient::new(channel).check(question).await;
            answer.map_err(|status| LinkFailure::of(&status, &pulse).at_connect(&dial.peer))
        };
        let answer = tokio::time::timeout(dial.peer.timeout, ask).await;
        let answer = answer.unwrap_or_else(|_| Err(LinkFailure::Silent.at_connect(&dial.peer)))?;
        Ok(answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Ends every execution under way, the connection, and an embedded executor.
    pub async fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        if let Some(link) = self.shared.link.lock().await.take() {
            link.close();
        }
        if let Target::Embedded(host) = &self.shared.target {
            let host = Arc::clone(host);
            let _ = tokio::task::spawn_blocking(move || host.end()).await;
        }
    }

    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    pub fn is_embedded(&self) -> bool {
        matches!(self.shared.target, Target::Embedded(_))
    }

    fn ensure_open(&self) -> Result<(), ClientError> {
        if self.is_closed() { Err(ClientError::Closed { execution_id: None }) } else { Ok(()) }
    }

    /// The live connection, or a new one.
    async fn link(&self) -> Result<Arc<Link>, ClientError> {
        let mut slot = self.shared.link.lock().await;
        self.ensure_open()?;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        *slot = None;
        let link = match &self.shared.target {
            Target::Remote(dial) => Link::open(dial).await?,
            Target::Embedded(host) => self.open_embedded(host).await?,
        };
        *slot = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Over the executor that runs; where it turns out to be gone, over a new one.
    async fn open_embedded(&self, host: &Arc<Host>) -> Result<Arc<Link>, ClientError> {
        if let Some(location) = host.location() {
            match Link::open(&location.dial(host.timeout())?).await {
                Err(ClientError::Connection { .. }) => host.forget(),
                other => return other,
            }
        }
        let location = self.started(host).await?;
        Link::open(&location.dial(host.timeout())?).await
    }

    async fn started(&self, host: &Arc<Host>) -> Result<Location, ClientError> {
        if let Some(location) = host.location() {
            return Ok(location);
        }
        let starting = Arc::clone(host);
        let started = tokio::task::spawn_blocking(move || starting.start()).await;
        started.unwrap_or_else(|error| Err(ClientError::embedded(error.to_string())))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match &self.shared.target {
            Target::Remote(dial) => &dial.peer.url,
            Target::Embedded(_) => "embedded",
        };
        formatter.debug_struct("Client").field("url", &url).field("closed", &self.is_closed()).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(link) = self.link.get_mut().take() {
            link.close();
        }
    }
}

fn checked(timeout: Duration) -> Result<Duration, ClientError> {
    match timeout {
        Duration::ZERO => Err(ClientError::config("timeout must be above 0 seconds")),
        timeout => Ok(timeout),
    }
}
