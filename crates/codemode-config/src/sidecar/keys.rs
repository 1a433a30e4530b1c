//! The executor's settings besides the policy, and the policy's that variables may say.

use codemode_types::{POLICY_KEYS, Policy};
use serde_json::Value;

use crate::key::{DescribedKey, Key, Kind};

pub(crate) const DEFAULT_HOST: &str = "127.0.0.1";
pub(crate) const DEFAULT_PORT: u16 = 8001;

pub(crate) const API_KEY: &str = "CODEMODE_API_KEY";
pub(crate) const API_KEY_PREVIOUS: &str = "CODEMODE_API_KEY_PREVIOUS";

const PLAIN: Key = Key { name: "", aliases: &[], variables: &[], kind: Kind::Switch, default: "", about: "" };

pub(crate) const AUDIT: Key = Key {
    name: "audit",
    aliases: &["executor.audit"],
    variables: &["CODEMODE_AUDIT"],
    kind: Kind::Audit,
    about: "Where the audit log goes. An embedded executor has no standard output and takes a path only",
    ..PLAIN
};

pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "host",
        variables: &["CODEMODE_HOST", "CODEMODE_SIDECAR_HOST"],
        kind: Kind::Host,
        default: "\"127.0.0.1\"",
        about: "Address or name to listen on; any but loopback needs an API key",
        ..PLAIN
    },
    Key {
        name: "port",
        variables: &["CODEMODE_PORT", "CODEMODE_SIDECAR_PORT"],
        kind: Kind::Port,
        default: "8001",
        about: "Port to listen on; 0 takes a free one",
        ..PLAIN
    },
    Key { name: "listen", kind: Kind::Listen, about: "Host and port in one word, or a Unix socket", ..PLAIN },
    Key {
        name: "api_key",
        aliases: &["executor_api_key", "executor.api_key"],
        variables: &[API_KEY, API_KEY_PREVIOUS],
        kind: Kind::Secrets,
        about: "The key that callers must send; two while keys are rotated",
        ..PLAIN
    },
    Key {
        name: super::callback::TARGET,
        variables: &["CODEMODE_MAIN_APP_TARGET", "MAIN_APP_GRPC_TARGET"],
        kind: Kind::Listen,
        about: "Where an application with the published package serves its tools; this executor dials it, and nothing else",
        ..PLAIN
    },
    Key {
        name: "callback_tls.enabled",
        variables: &["CODEMODE_CALLBACK_TLS_ENABLED"],
        default: "false",
        about: "Whether the executor speaks TLS to that application; naming a file is enough",
        ..PLAIN
    },
    Key {
        name: "callback_tls.ca_file",
        variables: &["CODEMODE_CALLBACK_TLS_CA_FILE"],
        kind: Kind::Path,
        about: "CA certificates that vouch for the application, in PEM; without it this machine's authorities do",
        ..PLAIN
    },
    Key {
        name: "callback_tls.client_cert",
        variables: &["CODEMODE_CALLBACK_TLS_CLIENT_CERT"],
        kind: Kind::Path,
        about: "The certificate that the executor shows to the application, in PEM",
        ..PLAIN
    },
    Key {
        name: "callback_tls.client_key",
        variables: &["CODEMODE_CALLBACK_TLS_CLIENT_KEY"],
        kind: Kind::Path,
        about: "The private key of that certificate, in PEM",
        ..PLAIN
    },
    Key {
        name: "log_level",
        variables: &["CODEMODE_LOG_LEVEL"],
        kind: Kind::LogLevel,
        default: "\"info\"",
        about: "The least weight of what the log shows",
        ..PLAIN
    },
    Key {
        name: "drain_timeout",
        kind: Kind::Seconds(None),
        default: "30",
        about: "How long executions may go on after the executor was told to stop",
        ..PLAIN
    },
    AUDIT,
    Key {
        name: "tls.enabled",
        aliases: &["tls_enabled"],
        variables: &["CODEMODE_TLS_ENABLED"],
        default: "false",
        about: "Whether the TCP port speaks TLS; naming the files is enough",
        ..PLAIN
    },
    Key {
        name: "tls.mode",
        variables: &["CODEMODE_TLS_MODE"],
        kind: Kind::Word(&["custom", "system"]),
        about: "Who vouches for clients: tls.ca_file, or the authorities of this machine",
        ..PLAIN
    },
    Key {
        name: "tls.cert_file",
        variables: &["CODEMODE_TLS_CERT_FILE"],
        kind: Kind::Path,
        about: "The executor's certificate, in PEM",
        ..PLAIN
    },
    Key {
        name: "tls.key_file",
        variables: &["CODEMODE_TLS_KEY_FILE"],
        kind: Kind::Path,
        about: "The certificate's private key, in PEM",
        ..PLAIN
    },
    Key {
        name: "tls.ca_file",
        variables: &["CODEMODE_TLS_CA_FILE"],
        kind: Kind::Path,
        about: "Authorities of the clients' certificates, in PEM",
        ..PLAIN
    },
    Key {
        name: "tls.require_client_auth",
        variables: &["CODEMODE_TLS_REQUIRE_CLIENT_AUTH"],
        about: "Whether each client must show a certificate; true where tls.ca_file is set",
        ..PLAIN
    },
    Key {
        name: "tls.required",
        variables: &["CODEMODE_TLS_REQUIRED"],
        default: "false",
        about: "Refuses to listen for other machines without TLS",
        ..PLAIN
    },
];

/// The policy's settings that have a variable.
pub(crate) const POLICY_VARIABLES: &[Key] = &[
    Key {
        name: "limits.code_timeout",
        variables: &["CODEMODE_MAX_EXEC_TIME", "CODEMODE_CODE_TIMEOUT"],
        kind: Kind::Seconds(None),
        ..PLAIN
    },
    Key { name: "limits.memory_limit", variables: &["CODEMODE_MEMORY_LIMIT"], kind: Kind::Size, ..PLAIN },
];

/// What has the published sidecar's spelling as well.
pub(crate) const SECURITY: [&str; 2] = ["execution.allow_direct_execution", "execution.allowed_commands"];

pub(crate) fn security_spelling(key: &str) -> String {
    key.replace("execution.", "security.")
}

/// Of a key of the policy.
pub(crate) fn variables_of(key: &str) -> &'static [&'static str] {
    POLICY_VARIABLES.iter().find(|it| it.name == key).map_or(&[], |it| it.variables)
}

/// Of a key of the policy.
pub(crate) fn default_of(key: &str) -> Value {
    let pointer = format!("/{}", key.replace('.', "/"));
    Policy::default().to_value().pointer(&pointer).cloned().unwrap_or_default()
}

pub(crate) fn described() -> Vec<DescribedKey> {
    KEYS.iter().map(Key::described).chain(policy()).collect()
}

/// The policy's keys, which a client may give as well.
pub(crate) fn policy() -> impl Iterator<Item = DescribedKey> {
    POLICY_KEYS.iter().map(|key| {
        let security = SECURITY.contains(&key.name).then(|| security_spelling(key.name));
        DescribedKey {
            key: key.name.to_owned(),
            aliases: [format!("executor.{}", key.name)].into_iter().chain(security).collect(),
            variables: variables_of(key.name).iter().map(|name| (*name).to_owned()).collect(),
            kind: key.kind.describe(),
            allowed: Value::Null,
            default: default_of(key.name),
            about: key.about.to_owned(),
        }
    })
}
