//! The client's settings besides the policy.

use crate::key::{DescribedKey, Key, Kind};

const PLAIN: Key = Key { name: "", aliases: &[], variables: &[], kind: Kind::Switch, default: "", about: "" };

pub(crate) const DEFAULT_ATTEMPTS: u64 = 3;
/// An executor of one's own is full of this process's own executions only, and further ones wait their turn.
pub(crate) const EMBEDDED_ATTEMPTS: u64 = 10;

pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "executor_url",
        aliases: &["executor.url"],
        variables: &["CODEMODE_EXECUTOR_URL"],
        kind: Kind::Url,
        about: "The executor's address; without one the client starts an executor of its own",
        ..PLAIN
    },
    Key {
        name: "executor_api_key",
        aliases: &["executor.api_key"],
        variables: &["CODEMODE_EXECUTOR_API_KEY"],
        kind: Kind::Secret,
        about: "The key that the executor wants",
        ..PLAIN
    },
    Key {
        name: "timeout",
        aliases: &["executor_timeout", "executor.timeout"],
        variables: &["CODEMODE_TIMEOUT", "CODEMODE_EXECUTOR_TIMEOUT"],
        kind: Kind::Seconds(Some((1.0, 600.0))),
        default: "35",
        about: "How long to wait without any frame from the executor; keepalives count",
    },
    Key {
        name: "max_code_length",
        variables: &["CODEMODE_MAX_CODE_LENGTH"],
        kind: Kind::Whole(1, u64::MAX),
        about: "Characters of code; lowers the executor's limit and never raises it",
        ..PLAIN
    },
    Key {
        name: "retry.enabled",
        variables: &["CODEMODE_RETRY_ENABLED"],
        default: "true",
        about: "Whether a request that was refused before anything ran is repeated; nothing else ever is",
        ..PLAIN
    },
    Key {
        name: "retry.max_attempts",
        variables: &["CODEMODE_RETRY_MAX_ATTEMPTS"],
        kind: Kind::Whole(1, 10),
        default: "3",
        about: "Attempts in all; 10 where it is not set and the executor is the client's own",
        ..PLAIN
    },
    Key {
        name: "retry.backoff_base_ms",
        variables: &["CODEMODE_RETRY_BACKOFF_BASE_MS"],
        kind: Kind::Whole(10, 10_000),
        default: "100",
        about: "Milliseconds before the second attempt; doubled before each further one",
        ..PLAIN
    },
    Key {
        name: "retry.backoff_max_ms",
        variables: &["CODEMODE_RETRY_BACKOFF_MAX_MS"],
        kind: Kind::Whole(100, 60_000),
        default: "5000",
        about: "The longest pause between two attempts, in milliseconds",
        ..PLAIN
    },
    Key {
        name: "tls.enabled",
        aliases: &["tls_enabled"],
        variables: &["CODEMODE_TLS_ENABLED"],
        default: "false",
        about: "That TLS is wanted; an https:// or grpcs:// address says so by itself",
        ..PLAIN
    },
    Key {
        name: "tls.mode",
        variables: &["CODEMODE_TLS_MODE"],
        kind: Kind::Word(&["system", "custom"]),
        about: "Who vouches for the executor: this machine's authorities, or tls.ca_file; custom where that is set",
        ..PLAIN
    },
    Key {
        name: "tls.ca_file",
        aliases: &["tls_cert_path"],
        variables: &["CODEMODE_TLS_CA_FILE", "CODEMODE_TLS_CERT_PATH"],
        kind: Kind::Path,
        about: "CA certificates that vouch for the executor, in PEM",
        ..PLAIN
    },
    Key {
        name: "tls.client_cert_file",
        variables: &["CODEMODE_TLS_CLIENT_CERT_FILE"],
        kind: Kind::Path,
        about: "The client's certificate, in PEM, for an executor that asks for one",
        ..PLAIN
    },
    Key {
        name: "tls.client_key_file",
        variables: &["CODEMODE_TLS_CLIENT_KEY_FILE"],
        kind: Kind::Path,
        about: "The private key of that certificate, in PEM",
        ..PLAIN
    },
    Key {
        name: "observability.log_level",
        variables: &["CODEMODE_LOG_LEVEL"],
        kind: Kind::PythonLevel,
        default: "\"INFO\"",
        about: "The level of the `codemode` logger, where it is set",
        ..PLAIN
    },
    Key {
        name: "observability.include_correlation_id",
        variables: &["CODEMODE_INCLUDE_CORRELATION_ID"],
        default: "true",
        about: "Whether the client makes a correlation id for each execution; else the executor does",
        ..PLAIN
    },
    Key {
        name: "observability.correlation_id_prefix",
        variables: &["CODEMODE_CORRELATION_ID_PREFIX"],
        kind: Kind::Prefix,
        default: "\"cm\"",
        about: "What the client's correlation ids begin with",
        ..PLAIN
    },
    Key {
        name: "observability.traceback_limit",
        variables: &["CODEMODE_TRACEBACK_LIMIT"],
        kind: Kind::Whole(0, 50),
        about: "Frames of an error's traceback that the client keeps; without it all, with 0 none",
        ..PLAIN
    },
    Key { variables: &[], ..crate::sidecar::keys::AUDIT },
];

pub(crate) fn described() -> Vec<DescribedKey> {
    // The variables of the policy are the executor's.
    let policy = crate::sidecar::keys::policy().map(|key| DescribedKey { variables: Vec::new(), ..key });
    KEYS.iter().map(Key::described).chain(policy).collect()
}
