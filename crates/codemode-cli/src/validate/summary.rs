//! What a configuration comes to, in a line.

use codemode_client::config::{ClientConfig, EmbeddedConfig, PolicySource, SidecarConfig};
use codemode_types::Policy;
use serde_json::json;

pub(super) fn of_client(config: &ClientConfig) -> String {
    match &config.executor_url {
        Some(url) => {
            let key = if config.executor_api_key.is_some() { "with a key" } else { "without a key" };
            let asks = if config.policy.is_some() { "; asks it for a narrower policy" } else { "" };
            format!("client of {url}, {key}{asks}")
        }
        None => {
            let policy = config.policy.clone().unwrap_or_else(|| json!({}));
            let source = PolicySource::Value(policy, config.base_dir.clone());
            // Checked already: what this reads is what the client has read.
            let policy = EmbeddedConfig::load(source, &Default::default()).unwrap_or_default().policy;
            format!("client with an executor of its own; {}", of_policy(&policy))
        }
    }
}

pub(super) fn of_sidecar(config: &SidecarConfig) -> String {
    let tls = if config.tls.is_some() { "with TLS" } else { "without TLS" };
    let key = if config.api_keys.0.is_empty() { "without an API key" } else { "with an API key" };
    format!("executor on {}, {tls}, {key}; {}", config.listen, of_policy(&config.policy))
}

fn of_policy(policy: &Policy) -> String {
    let commands = match policy.execution.allowed_commands.len() {
        _ if !policy.direct_execution() => "no commands".to_owned(),
        1 => "1 command".to_owned(),
        count => format!("{count} commands"),
    };
    let (limits, network) = (&policy.limits, policy.network.mode);
    let seconds = limits.code_timeout.as_secs_f64();
    format!("{commands}; network {network}; {seconds} s and {} for the code", limits.memory_limit)
}
