//! Which executor, under which policy.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_client::{Client, ClientError, ClientOptions, EmbeddedOptions};
use codemode_server::config::{EmbeddedConfig, PolicySource};
use serde_json::{Value, json};

use crate::{args::RunArgs, environment, exit::Failure, remote};

#[derive(Debug)]
pub(super) enum Target {
    Remote(ClientOptions),
    Embedded(EmbeddedOptions),
}

impl Target {
    pub(super) fn client(self) -> Result<Client, ClientError> {
        match self {
            Self::Remote(options) => Client::connect(options),
            Self::Embedded(options) => Client::embedded(options),
        }
    }
}

pub(super) fn target(args: &RunArgs, variables: &BTreeMap<String, String>) -> Result<Target, Failure> {
    match args.url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => remote(args, url, variables).map(Target::Remote),
        None => embedded(args, variables).map(Target::Embedded),
    }
}

fn remote(args: &RunArgs, url: &str, variables: &BTreeMap<String, String>) -> Result<ClientOptions, Failure> {
    for (given, option) in [
        (args.workspace.is_some(), "--workspace"),
        (args.outputs.is_some(), "--outputs"),
        (args.config.is_some(), "--config"),
    ] {
        if given {
            return Err(Failure::usage(format!(
                "{option} needs an executor of its own, and {url} is not: leave one out (--url, CODEMODE_EXECUTOR_URL)"
            )));
        }
    }
    // A request to narrow; the executor refuses what it does not allow itself.
    let policy = (!args.allow.is_empty()).then(|| json!({"execution": {"allowed_commands": args.allow}}).to_string());
    Ok(ClientOptions {
        api_key: remote::api_key(&args.remote, variables)?,
        tls: remote::tls(url, &args.remote, variables)?,
        policy,
        client: client(),
        ..ClientOptions::new(url)
    })
}

fn client() -> String {
    concat!("codemode-cli/", env!("CARGO_PKG_VERSION")).into()
}

fn embedded(args: &RunArgs, variables: &BTreeMap<String, String>) -> Result<EmbeddedOptions, Failure> {
    if let Some(option) = args.remote.given() {
        return Err(Failure::usage(format!("{option} is for an executor of others: give its address with --url")));
    }
    let executable = std::env::current_exe().map_err(Failure::unavailable)?;
    let policy = policy(args, variables)?;
    let interpreter = environment::embedding(variables);
    Ok(EmbeddedOptions { policy: Some(policy), interpreter, ..EmbeddedOptions::new(executable) })
}

/// The file's policy with the options on top. Paths on the command line are relative to the current folder.
fn policy(args: &RunArgs, variables: &BTreeMap<String, String>) -> Result<Value, Failure> {
    let source = args.config.clone().map_or(PolicySource::Default, PolicySource::File);
    let EmbeddedConfig { mut policy, audit } =
        EmbeddedConfig::load(source, variables).map_err(Failure::configuration)?;
    if let Some(workspace) = &args.workspace {
        policy.filesystem.workspace.mount = Some(folder("--workspace", workspace)?);
    }
    if let Some(outputs) = &args.outputs {
        fs::create_dir_all(outputs)
            .map_err(|error| Failure::usage(format!("--outputs: cannot make {}: {error}", outputs.display())))?;
        policy.filesystem.outputs.mount = Some(folder("--outputs", outputs)?);
    }
    if !args.allow.is_empty() {
        policy.execution.allowed_commands.clone_from(&args.allow);
        policy.execution.allow_direct_execution = Some(true);
    }
    if let Some(timeout) = args.timeout {
        policy.limits.code_timeout = timeout;
        policy.limits.total_timeout = policy.limits.total_timeout.max(timeout + Duration::from_secs(1));
    }
    // One execution: one sandbox is enough.
    policy.pool.min = 1;
    policy.pool.max = Some(1);
    policy.max_concurrent_executions = Some(1);
    let mut value = policy.to_value();
    if let Some(audit) = audit {
        value["audit"] = audit.to_string().into();
    }
    Ok(value)
}

fn folder(option: &str, path: &Path) -> Result<PathBuf, Failure> {
    let refuse = |reason: &str| Failure::usage(format!("{option}: {}: {reason}", path.display()));
    let absolute = path.canonicalize().map_err(|error| refuse(&error.to_string()))?;
    if absolute.is_dir() { Ok(absolute) } else { Err(refuse("is not a folder")) }
}
