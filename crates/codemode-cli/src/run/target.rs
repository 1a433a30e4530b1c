//! Which executor, under which policy.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_client::{
    Client, ClientError, ClientOptions, EmbeddedOptions,
    config::{ClientConfig, EmbeddedConfig, PolicySource},
};
use serde_json::{Value, json};

use crate::{
    args::{RemoteArgs, RunArgs},
    environment,
    exit::Failure,
    remote,
};

/// An executor, and what the configuration says of each execution.
#[derive(Debug)]
pub(super) struct Target {
    executor: Executor,
    config: ClientConfig,
}

#[derive(Debug)]
enum Executor {
    Remote(ClientOptions),
    Embedded(EmbeddedOptions),
}

impl Target {
    pub(super) fn client(self) -> Result<Client, ClientError> {
        let client = match self.executor {
            Executor::Remote(options) => Client::connect(options)?,
            Executor::Embedded(options) => Client::embedded(options)?,
        };
        Ok(client.with_settings(&self.config))
    }

    /// Where one was asked for, in the words of the daemon's log.
    pub(super) fn log_level(&self) -> Option<&'static str> {
        let asked = self.config.given.contains("observability.log_level");
        asked.then(|| self.config.observability.level().as_str())
    }
}

pub(super) fn target(args: &RunArgs, variables: &BTreeMap<String, String>) -> Result<Target, Failure> {
    let (url, file) = (args.url.as_deref().filter(|url| !url.is_empty()), args.config.as_deref());
    if let (Some(option), None) = (args.remote.given(), url)
        && remote::config(&RemoteArgs::default(), url, file, variables)?.executor_url.is_none()
    {
        return Err(Failure::usage(format!("{option} is for an executor of others: give its address with --url")));
    }
    let config = remote::config(&args.remote, url, file, variables)?;
    let executor = match &config.executor_url {
        Some(url) => Executor::Remote(remote(args, url, &config)?),
        None => Executor::Embedded(embedded(args, &config, variables)?),
    };
    Ok(Target { executor, config })
}

fn remote(args: &RunArgs, url: &str, config: &ClientConfig) -> Result<ClientOptions, Failure> {
    for (given, option) in [(args.workspace.is_some(), "--workspace"), (args.outputs.is_some(), "--outputs")] {
        if given {
            return Err(Failure::usage(format!(
                "{option} needs an executor of its own, and {url} is not: leave one out (--url, CODEMODE_EXECUTOR_URL, \
                 executor_url in a file)"
            )));
        }
    }
    let options = ClientOptions::from_config(config).map_err(Failure::usage)?;
    // A request to narrow; the executor refuses what it does not allow itself.
    let mut policy = config.policy.clone().unwrap_or_else(|| json!({}));
    if !args.allow.is_empty() {
        policy["execution"]["allowed_commands"] = json!(args.allow);
    }
    let asked = policy.as_object().is_some_and(|asked| !asked.is_empty());
    Ok(ClientOptions { policy: asked.then(|| policy.to_string()), client: client(), ..options })
}

fn client() -> String {
    concat!("codemode-cli/", env!("CARGO_PKG_VERSION")).into()
}

fn embedded(
    args: &RunArgs,
    config: &ClientConfig,
    variables: &BTreeMap<String, String>,
) -> Result<EmbeddedOptions, Failure> {
    let executable = std::env::current_exe().map_err(Failure::unavailable)?;
    let policy = policy(args, config)?;
    let interpreter = environment::embedding(variables);
    let options = EmbeddedOptions { interpreter, ..EmbeddedOptions::new(executable) };
    let options = options.with_config(config).map_err(Failure::usage)?;
    Ok(EmbeddedOptions { policy: Some(policy), ..options })
}

/// The file's policy with the options on top. Paths on the command line are relative to the current folder.
fn policy(args: &RunArgs, config: &ClientConfig) -> Result<Value, Failure> {
    let source = match &config.policy {
        Some(policy) => PolicySource::Value(policy.clone(), config.base_dir.clone()),
        None => PolicySource::Default,
    };
    let EmbeddedConfig { mut policy, audit } =
        EmbeddedConfig::load(source, &BTreeMap::new()).map_err(Failure::configuration)?;
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
    if absolute.to_str().is_none() {
        return Err(refuse("its path is not UTF-8"));
    }
    if absolute.is_dir() { Ok(absolute) } else { Err(refuse("is not a folder")) }
}
