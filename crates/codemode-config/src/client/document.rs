//! The configuration as one document, for other languages.

use serde_json::{Value, json};

use super::ClientConfig;
use crate::Secret;

impl ClientConfig {
    /// With every default filled in. Secrets are in it as they are.
    pub fn to_value(&self) -> Value {
        let (retry, tls, seen) = (&self.retry, &self.tls, &self.observability);
        json!({
            "executor_url": self.executor_url,
            "executor_api_key": self.executor_api_key.as_ref().map(Secret::reveal),
            "timeout": self.timeout.as_secs_f64(),
            "max_code_length": self.max_code_length,
            "retry": {
                "enabled": retry.enabled,
                "max_attempts": retry.max_attempts,
                "backoff_base_ms": retry.backoff_base.as_millis() as u64,
                "backoff_max_ms": retry.backoff_max.as_millis() as u64,
            },
            "tls": {
                "enabled": tls.enabled,
                "mode": tls.mode,
                "ca_file": tls.ca_file,
                "client_cert_file": tls.client_cert_file,
                "client_key_file": tls.client_key_file,
            },
            "observability": {
                "log_level": seen.log_level,
                "include_correlation_id": seen.include_correlation_id,
                "correlation_id_prefix": seen.correlation_id_prefix,
                "traceback_limit": seen.traceback_limit,
            },
            "policy": self.policy,
            "base_dir": self.base_dir.to_string_lossy(),
            "set": self.given,
        })
    }
}
