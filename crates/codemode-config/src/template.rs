//! The files that `codemode init` writes: the defaults, and what is worth changing.

use codemode_types::POLICY_KEYS;
use serde_json::Value;

use crate::{
    outline::{Entry, inline, outline},
    schema::default_of,
    side::Side,
};

/// A key of the file.
enum Line {
    /// With its default.
    Live(&'static str),
    /// Behind a comment sign: it has no default, or says something else where it is written out.
    Shown(&'static str, &'static str),
    /// What stands above the next key, besides what the key is.
    Note(&'static str),
    /// What stands above the next section.
    Part(&'static str),
}

use Line::{Live, Note, Part, Shown};

const CLIENT_HEAD: &str = "\
# What an application reads that runs code through Codemode:
#   Codemode.from_client_config(config_path=\"codemode-client.yaml\")
#   codemode run job.py --config codemode-client.yaml
";

const SIDECAR_HEAD: &str = "\
# What the executor reads: codemode serve --config codemode-sidecar.yaml
";

const HEAD: &str = "\
#
# Every key is optional; what is written here is the default, and what is behind a comment sign is an example. The
# environment wins over this file, and .env beside it as well. ${NAME} and ${NAME:-default} take a variable.
# Sizes: 512Mi, 1GB, or bytes. Times are in seconds. Relative paths begin at this file's folder.
# `codemode validate` checks this file, `codemode config schema` describes every key.

";

const CLIENT: &[Line] = &[
    Shown("executor_url", "http://127.0.0.1:8001"),
    Note("Secrets do not belong in files: set CODEMODE_EXECUTOR_API_KEY, or CODEMODE_EXECUTOR_API_KEY_FILE"),
    Shown("executor_api_key", "${CODEMODE_EXECUTOR_API_KEY}"),
    Live("timeout"),
    Shown("max_code_length", "10000"),
    Live("retry.enabled"),
    Shown("retry.max_attempts", "3"),
    Live("retry.backoff_base_ms"),
    Live("retry.backoff_max_ms"),
    Shown("tls.ca_file", "certs/ca.pem"),
    Shown("tls.client_cert_file", "certs/client.pem"),
    Shown("tls.client_key_file", "certs/client-key.pem"),
    Shown("observability.log_level", "INFO"),
    Live("observability.include_correlation_id"),
    Live("observability.correlation_id_prefix"),
    Shown("observability.traceback_limit", "5"),
    Part("What follows is the policy. Without executor_url it is that of the client's own executor. With it, it is a"),
    Part("request to allow less than that executor does; asking for more is an error."),
    Shown("execution.allowed_commands", "[grep, cat, ls]"),
    Shown("filesystem.workspace.mount", "./project_files"),
    Shown("filesystem.outputs.mount", "./outputs"),
    Shown("network.mode", "none"),
    Shown("limits.code_timeout", "30"),
    Shown("limits.memory_limit", "512Mi"),
];

const SIDECAR: &[Line] = &[
    Live("host"),
    Live("port"),
    Note("In place of host and port"),
    Shown("listen", "unix:/run/codemode.sock"),
    Note(
        "Secrets do not belong in files: set CODEMODE_API_KEY, or CODEMODE_API_KEY_FILE to the path of a file with it",
    ),
    Shown("api_key", "${CODEMODE_API_KEY}"),
    Shown("main_app_grpc_target", "localhost:50051"),
    Live("log_level"),
    Live("drain_timeout"),
    Shown("audit", "/var/log/codemode/audit.jsonl"),
    Note("`codemode tls generate-certs` makes certificates to develop with"),
    Shown("tls.cert_file", "certs/server.pem"),
    Shown("tls.key_file", "certs/server-key.pem"),
    Shown("tls.ca_file", "certs/ca.pem"),
    Shown("tls.required", "true"),
    Part("What follows is the policy: what executed code may do. `codemode doctor --config FILE` shows whether this"),
    Part("machine can enforce it."),
    Shown("execution.allow_direct_execution", "true"),
    Live("execution.allowed_commands"),
    Shown("filesystem.workspace.mount", "./project_files"),
    Live("filesystem.sandbox.mount"),
    Shown("filesystem.sandbox.max_size", "1GB"),
    Shown("filesystem.outputs.mount", "./outputs"),
    Live("filesystem.outputs.max_size"),
    Live("filesystem.tmp.max_size"),
    Live("network.mode"),
    Note("The following need mode: restricted"),
    Shown("network.allowed_domains", "[pypi.org, files.pythonhosted.org, \"*.example.com\"]"),
    Shown("network.blocked_domains", "[admin.example.com]"),
    Shown("network.ports", "[443]"),
    Live("limits.code_timeout"),
    Live("limits.tool_timeout"),
    Live("limits.total_timeout"),
    Live("limits.max_code_length"),
    Live("limits.memory_limit"),
    Live("limits.cpus"),
    Live("limits.processes"),
    Live("limits.open_files"),
    Live("limits.file_size"),
    Live("limits.output_bytes"),
    Live("limits.result_bytes"),
    Live("limits.max_tool_calls"),
    Live("isolation.minimum"),
    Live("isolation.allow_jit"),
    Live("isolation.fresh_interpreter"),
    Shown("guest.interpreter", "/usr/bin/python3"),
    Shown("guest.preload", "[json, datetime]"),
    Shown("guest.environments", "[{name: data, preload: [pandas]}]"),
    Live("pool.min"),
    Shown("max_concurrent_executions", "8"),
    Live("queue"),
];

/// A configuration to begin with: it says what the defaults say, and explains it.
pub fn template(side: Side) -> String {
    let (head, lines) = match side {
        Side::Client => (CLIENT_HEAD, CLIENT),
        Side::Sidecar => (SIDECAR_HEAD, SIDECAR),
    };
    let mut entries = Vec::new();
    let mut next = Entry::default();
    for line in lines {
        let (key, example) = match line {
            Note(text) => {
                next.about.push((*text).to_owned());
                continue;
            }
            Part(text) => {
                next.introduction.push((*text).to_owned());
                continue;
            }
            Live(key) => (key, None),
            Shown(key, example) => (key, Some((*example).to_owned())),
        };
        let (why, default) = table(side, key);
        next.about.push(why);
        next.path = (*key).to_owned();
        next.commented = example.is_some();
        next.value = example.unwrap_or_else(|| inline(&default));
        entries.push(std::mem::take(&mut next));
    }
    format!("{head}{HEAD}{}", outline(&entries))
}

/// What the tables say of a key, and its default as people write it.
fn table(side: Side, name: &str) -> (String, Value) {
    if let Some(key) = POLICY_KEYS.iter().find(|key| key.name == name) {
        return (key.about.to_owned(), default_of(key));
    }
    let key = side.keys().into_iter().find(|key| key.key == name);
    key.map(|key| (key.about, key.default)).unwrap_or_default()
}
