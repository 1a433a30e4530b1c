//! What the server makes of its configuration: digests of keys, and the means to read them again.

mod key;

use std::time::Duration;

use codemode_types::Policy;

pub use codemode_config::{
    ConfigError, EmbeddedConfig, ListenAddress, LogLevel, PolicySource, SidecarConfig,
    sidecar::{Arguments, CallbackSettings, Sources},
};
pub use key::KeySource;

use crate::{audit::AuditTarget, auth::ApiKeys, tls::TlsSettings};

#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub policy: Policy,
    pub listen: ListenAddress,
    pub tls: Option<TlsSettings>,
    /// Whether a port that other machines reach must have it.
    pub tls_required: bool,
    pub api_keys: ApiKeys,
    pub key_source: KeySource,
    /// Where applications of the published package serve their tools.
    pub callback: Option<CallbackSettings>,
    pub audit: Option<AuditTarget>,
    pub log_level: LogLevel,
    pub drain_timeout: Duration,
}

impl ServerConfig {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let config = SidecarConfig::load(sources)?;
        let (key_source, api_keys) = KeySource::of(config.api_keys)?;
        Ok(Self {
            policy: config.policy,
            listen: config.listen,
            tls: config.tls,
            tls_required: config.tls_required,
            api_keys,
            key_source,
            callback: config.callback,
            audit: config.audit,
            log_level: config.log_level,
            drain_timeout: config.drain_timeout,
        })
    }
}
