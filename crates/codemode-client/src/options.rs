use std::{fmt, time::Duration};

use crate::TlsOptions;

/// The table in reference.md.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(35);

/// Where a remote executor is and how to talk to it.
#[derive(Clone)]
pub struct ClientOptions {
    /// `http://host:port`, `grpc://host:port`, `https://host:port` or `grpcs://host:port` with TLS, `unix:///path` or
    /// `unix:path`.
    pub url: String,
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
