//! The configuration as one document, for other languages.

use serde_json::{Value, json};

use super::{Authorities, CallbackTls, ClientCertificates, ListenAddress, SidecarConfig, TlsSettings};

impl SidecarConfig {
    /// With every default filled in. Secrets are in it as they are.
    pub fn to_value(&self) -> Value {
        let (host, port) = match &self.listen {
            ListenAddress::Tcp { host, port } => (json!(host), json!(port)),
            ListenAddress::Unix(_) => (Value::Null, Value::Null),
        };
        json!({
            "host": host,
            "port": port,
            "listen": self.listen.to_string(),
            "api_keys": self.api_keys.keys().iter().map(|key| key.reveal()).collect::<Vec<_>>(),
            "main_app_grpc_target": self.callback.as_ref().map(|it| it.target.to_string()),
            "callback_tls": self.callback_tls(),
            "log_level": self.log_level.as_str(),
            "drain_timeout": self.drain_timeout.as_secs_f64(),
            "tls": self.tls(),
            "audit": self.audit.as_ref().map(ToString::to_string),
            "policy": self.policy.to_value(),
            "set": self.given,
        })
    }

    fn callback_tls(&self) -> Value {
        let Some(CallbackTls { authorities, identity }) = self.callback.as_ref().and_then(|it| it.tls.as_ref()) else {
            return json!({"enabled": false, "ca_file": null, "client_cert": null, "client_key": null});
        };
        let ca_file = match authorities {
            Authorities::System(_) => None,
            Authorities::File(file) => Some(&file.path),
        };
        let identity = identity.as_ref();
        json!({
            "enabled": true, "ca_file": ca_file, "client_cert": identity.map(|it| &it.certificate.path),
            "client_key": identity.map(|it| &it.key.path),
        })
    }

    fn tls(&self) -> Value {
        let Some(TlsSettings { certificate, key, clients }) = &self.tls else {
            return json!({
                "enabled": false, "mode": null, "cert_file": null, "key_file": null, "ca_file": null,
                "require_client_auth": false, "required": self.tls_required,
            });
        };
        let (mode, ca_file, demanded) = match clients {
            ClientCertificates::NotAsked => (None, None, false),
            ClientCertificates::Verified { authorities: Authorities::System(_), required } => {
                (Some("system"), None, *required)
            }
            ClientCertificates::Verified { authorities: Authorities::File(file), required } => {
                (Some("custom"), Some(&file.path), *required)
            }
        };
        json!({
            "enabled": true, "mode": mode, "cert_file": certificate.path, "key_file": key.path, "ca_file": ca_file,
            "require_client_auth": demanded, "required": self.tls_required,
        })
    }
}
