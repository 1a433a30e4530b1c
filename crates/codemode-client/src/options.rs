use std::{fmt, time::Duration};

use codemode_config::ClientConfig;

use crate::{ClientError, EmbeddedOptions, TlsMode, TlsOptions};

/// How long a client waits without any frame from the executor.
///
/// ```
/// use codemode_client::{ClientOptions, DEFAULT_TIMEOUT};
///
/// assert_eq!(ClientOptions::new("http://127.0.0.1:8001").timeout, DEFAULT_TIMEOUT);
/// assert_eq!(DEFAULT_TIMEOUT.as_secs(), 35);
/// ```
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(35);

/// Where a remote executor is and how to talk to it.
///
/// ```
/// use std::time::Duration;
/// use codemode_client::ClientOptions;
///
/// let options = ClientOptions {
///     api_key: Some("secret".into()),
///     timeout: Duration::from_secs(60),
///     policy: Some(r#"{"execution": {"allowed_commands": []}}"#.into()),
///     ..ClientOptions::new("https://executor.example")
/// };
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct ClientOptions {
    /// `http://host:port`, `grpc://host:port`, `https://host:port` or `grpcs://host:port` with TLS, `unix:///path` or
    /// `unix:path`.
    pub url: String,
    /// What the executor was started with; `None` where it wants none.
    pub api_key: Option<String>,
    /// How long to wait without any frame from the executor. Keepalives count.
    pub timeout: Duration,
    /// For `https://` and `grpcs://` only, where `None` means the system's roots and no certificate of the client.
    pub tls: Option<TlsOptions>,
    /// A policy as JSON, in the shape of the YAML file: narrows the executor's own for everything this client runs.
    pub policy: Option<String>,
    /// `name/version` for the executor's log.
    pub client: String,
}

impl ClientOptions {
    /// The defaults for an executor at this URL.
    ///
    /// ```
    /// use codemode_client::ClientOptions;
    ///
    /// let options = ClientOptions::new("grpcs://executor.example:8001");
    /// assert!(options.api_key.is_none() && options.tls.is_none());
    /// ```
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            timeout: DEFAULT_TIMEOUT,
            tls: None,
            policy: None,
            client: default_client_name(),
        }
    }

    /// The executor that a configuration names. What the configuration says of each execution, such as `retry`, takes
    /// effect with [`Client::from_config`](crate::Client::from_config).
    ///
    /// ```
    /// use codemode_client::{ClientOptions, config::{ClientConfig, ClientSources}, json};
    ///
    /// let values = json!({"executor_url": "https://executor.example", "timeout": 60});
    /// let config = ClientConfig::load(&ClientSources { values, ..ClientSources::default() }).unwrap();
    /// assert_eq!(ClientOptions::from_config(&config)?.timeout.as_secs(), 60);
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn from_config(config: &ClientConfig) -> Result<Self, ClientError> {
        let url = config.executor_url.as_deref();
        let url = url.ok_or_else(|| ClientError::config("executor_url is not set: it says where the executor is"))?;
        Ok(Self {
            api_key: config.executor_api_key.as_ref().map(|key| key.reveal().to_owned()),
            timeout: config.timeout,
            tls: tls(config),
            policy: config.policy.as_ref().map(ToString::to_string),
            ..Self::new(url)
        })
    }
}

/// `None` where nobody asked for TLS but, perhaps, the URL.
fn tls(config: &ClientConfig) -> Option<TlsOptions> {
    let tls = &config.tls;
    let options = TlsOptions {
        mode: tls.ca_file.clone().map_or(TlsMode::System, TlsMode::Custom),
        client_cert_file: tls.client_cert_file.clone(),
        client_key_file: tls.client_key_file.clone(),
        server_name: None,
    };
    (tls.enabled || tls.mode.is_some() || options != TlsOptions::default()).then_some(options)
}

impl EmbeddedOptions {
    /// These, with the policy and the patience of a configuration that names no executor.
    ///
    /// ```
    /// use codemode_client::{EmbeddedOptions, config::{ClientConfig, ClientSources}, json};
    ///
    /// let values = json!({"execution": {"allowed_commands": ["git"]}});
    /// let config = ClientConfig::load(&ClientSources { values, ..ClientSources::default() }).unwrap();
    /// let options = EmbeddedOptions::new("/usr/bin/codemode").with_config(&config)?;
    /// assert_eq!(options.policy.unwrap()["execution"]["allowed_commands"], json!(["git"]));
    /// # Ok::<(), codemode_client::ClientError>(())
    /// ```
    pub fn with_config(self, config: &ClientConfig) -> Result<Self, ClientError> {
        config.check_embedded().map_err(|error| ClientError::config(error.to_string()))?;
        let (policy, policy_path) = match &config.policy {
            Some(policy) => (Some(policy.clone()), None),
            None => (self.policy, self.policy_path),
        };
        let base_dir = if config.policy.is_some() { Some(config.base_dir.clone()) } else { self.base_dir };
        Ok(Self { policy, policy_path, base_dir, timeout: config.timeout, ..self })
    }
}

pub(crate) fn default_client_name() -> String {
    concat!("codemode-rust/", env!("CARGO_PKG_VERSION")).into()
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientOptions")
            .field("url", &self.url)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .field("timeout", &self.timeout)
            .field("tls", &self.tls)
            .field("policy", &self.policy)
            .field("client", &self.client)
            .finish()
    }
}
