use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use codemode_config::ClientConfig;
use codemode_proto::{ExecutorInfo, v1};
use codemode_types::ToolSpec;
use tokio::sync::Mutex;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    ClientError, ClientOptions, EmbeddedOptions,
    address::Address,
    dial::{Dial, bearer},
    embedded::{Host, Location},
    link::Link,
    prompt::prompt,
    settings::Settings,
    status::{LinkFailure, Peer},
    tls::Tls,
};

/// A connection to one executor, made when it is first needed. Clones share it. Wants a tokio runtime with time and
/// I/O that goes on running: the connection lives in a task of the runtime that dialled.
///
/// ```
/// use codemode_client::{Client, ClientOptions};
///
/// let client = Client::connect(ClientOptions::new("https://executor.example:8001"))?;
/// assert!(!client.is_embedded() && !client.is_closed());
/// # Ok::<(), codemode_client::ClientError>(())
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    settings: Settings,
    /// Held while dialling, so that many callers make one connection.
    link: Mutex<Option<Arc<Link>>>,
    closed: AtomicBool,
}

#[derive(Clone)]
enum Target {
    Remote(Box<Dial>),
    Embedded(Arc<Host>),
}

impl Client {
    /// Checks the options; does not dial yet.
    ///
    /// ```
    /// use codemode_client::{Client, ClientOptions};
    ///
    /// let options = ClientOptions { api_key: Some("secret".into()), ..ClientOptions::new("http://127.0.0.1:8001") };
    /// let client = Client::connect(options)?;
    ///
    /// let error = Client::connect(ClientOptions::new("127.0.0.1:8001")).unwrap_err();
    /// assert!(error.to_string().contains("must begin with http://, https://"), "{error}");
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
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
        Ok(Self::of(Target::Remote(Box::new(dial)), Settings::default()))
    }

    /// The executor that a configuration names or, where it names none, one of this process's own, started as
    /// `embedded` says. What the configuration says of each execution holds for all that this client runs; its
    /// `log_level` is for the application's own subscriber.
    ///
    /// ```
    /// use codemode_client::{Client, config::{ClientConfig, ClientSources}, json};
    ///
    /// let values = json!({"executor_url": "http://localhost:8001", "retry": {"max_attempts": 5}});
    /// let config = ClientConfig::load(&ClientSources { values, ..ClientSources::default() }).unwrap();
    /// let client = Client::from_config(&config, None)?;
    /// assert!(!client.is_embedded());
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn from_config(config: &ClientConfig, embedded: Option<EmbeddedOptions>) -> Result<Self, ClientError> {
        let client = match (&config.executor_url, embedded) {
            (None, Some(options)) => Self::embedded(options.with_config(config)?)?,
            _ => Self::connect(ClientOptions::from_config(config)?)?,
        };
        Ok(client.with_settings(config))
    }

    /// The same executor, with what a configuration says of each execution.
    ///
    /// ```
    /// use codemode_client::{Client, ClientOptions, config::{ClientConfig, ClientSources}, json};
    ///
    /// let values = json!({"retry": {"max_attempts": 5}});
    /// let config = ClientConfig::load(&ClientSources { values, ..ClientSources::default() }).unwrap();
    /// let client = Client::connect(ClientOptions::new("http://127.0.0.1:8001"))?.with_settings(&config);
    /// # drop(client);
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn with_settings(self, config: &ClientConfig) -> Self {
        Self::of(self.shared.target.clone(), Settings::of(config))
    }

    /// An executor of this process's own. Starts when it is first needed, ends with [`Client::close`], with the last
    /// clone, and with this process, however that ends.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use codemode_client::{Client, EmbeddedOptions, NoTools, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let outcome = client.execute(Request::new("2 + 2"), Arc::new(NoTools), |_stream, _bytes| ()).await?;
    /// assert_eq!(outcome.result::<i64>()?, Some(4));
    /// client.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn embedded(options: EmbeddedOptions) -> Result<Self, ClientError> {
        checked(options.timeout)?;
        Ok(Self::of(Target::Embedded(Arc::new(Host::new(options, None))), Settings::default()))
    }

    fn of(target: Target, settings: Settings) -> Self {
        let shared = Shared { target, settings, link: Mutex::new(None), closed: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// A client for the child of a `fork`, where this one's tasks do not exist; call it there, and leak this one.
    /// An embedded executor stays the parent's and is shared; if it is gone, the child starts its own.
    ///
    /// ```
    /// use codemode_client::{Client, ClientOptions};
    ///
    /// let client = Client::connect(ClientOptions::new("http://127.0.0.1:8001"))?;
    /// // In the child:
    /// let child = client.for_forked_child();
    /// std::mem::forget(client);
    /// # drop(child);
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn for_forked_child(&self) -> Self {
        let target = match &self.shared.target {
            Target::Remote(dial) => Target::Remote(dial.clone()),
            Target::Embedded(host) => Target::Embedded(Arc::new(host.for_forked_child())),
        };
        let child = Self::of(target, self.shared.settings.clone());
        child.shared.closed.store(self.is_closed(), Ordering::Relaxed);
        child
    }

    /// What the executor is and enforces. Connects if need be.
    ///
    /// ```
    /// use codemode_client::{Client, EmbeddedOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let info = client.info().await?;
    /// println!("tier {}, Python {}, {} packages", info.isolation.tier, info.python, info.packages.len());
    /// assert_eq!(info.policy.limits.max_tool_calls, 1000);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn info(&self) -> Result<ExecutorInfo, ClientError> {
        Ok(self.link().await?.info.clone())
    }

    /// How to write code for this executor and these tools, for a model to read; see [`prompt`](crate::prompt::prompt).
    /// `environment`: for code that runs there. Connects if need be.
    ///
    /// ```
    /// use codemode_client::{Client, EmbeddedOptions, Tool, ToolHost, Tools, Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let tools = Tools::of([Tool::new("weather", "Weather at a place", |_: Value| async { Ok(json!(21)) })])?;
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let prompt = client.prompt(&tools.specs(), None).await?;
    /// assert!(prompt.contains("def weather("), "{prompt}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn prompt(&self, tools: &[ToolSpec], environment: Option<&str>) -> Result<String, ClientError> {
        let info = self.info().await?;
        let info = match environment {
            Some(name) => info.within(name).ok_or_else(|| ClientError::config(no_environment(&info, name)))?,
            None => info,
        };
        prompt(&info, tools).map_err(|error| ClientError::config(error.to_string()))
    }

    /// Whether the executor says that it serves. Asks over a connection of its own and without the key.
    ///
    /// ```
    /// use codemode_client::{Client, EmbeddedOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// assert!(client.health().await?);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// use codemode_client::{Client, ClientOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), codemode_client::ClientError> {
    /// let client = Client::connect(ClientOptions::new("http://127.0.0.1:8001"))?;
    /// client.close().await;
    /// assert_eq!(client.info().await.unwrap_err().code(), "closed");
    /// # Ok(())
    /// # }
    /// ```
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

    /// Whether [`Client::close`] was called, on this one or on a clone.
    ///
    /// ```
    /// use codemode_client::{Client, ClientOptions};
    ///
    /// let client = Client::connect(ClientOptions::new("unix:///run/codemode.sock"))?;
    /// assert!(!client.is_closed());
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Whether the executor is this process's own.
    ///
    /// ```
    /// use codemode_client::{Client, EmbeddedOptions};
    ///
    /// assert!(Client::embedded(EmbeddedOptions::new("/usr/bin/codemode"))?.is_embedded());
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn is_embedded(&self) -> bool {
        matches!(self.shared.target, Target::Embedded(_))
    }

    fn ensure_open(&self) -> Result<(), ClientError> {
        if self.is_closed() { Err(ClientError::Closed { execution_id: None }) } else { Ok(()) }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The live connection, or a new one.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, ClientError> {
        let mut slot = self.shared.link.lock().await;
        self.ensure_open()?;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        *slot = None;
        // On the heap: the future of every execution holds this one, large as it is, and seldom needs it.
        let link = match &self.shared.target {
            Target::Remote(dial) => Box::pin(Link::open(dial)).await?,
            Target::Embedded(host) => Box::pin(self.open_embedded(host)).await?,
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

fn no_environment(info: &ExecutorInfo, name: &str) -> String {
    let known: Vec<_> = info.environments.iter().map(|environment| environment.name.as_str()).collect();
    let known = if known.is_empty() { "none" } else { &known.join(", ") };
    format!("there is no environment {name:?}; this executor has: {known} (guest.environments)")
}
