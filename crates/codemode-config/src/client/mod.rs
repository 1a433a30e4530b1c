//! The client's configuration.

mod check;
mod document;
pub(crate) mod keys;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_types::Problem;
use serde_json::{Map, Value};

use crate::{
    ConfigError, LogLevel, Secret,
    embedded::NO_STDOUT,
    environment::Environment,
    error::reported,
    key::DescribedKey,
    policy,
    settings::{Layer, Settings, Written},
    sidecar::{AuditTarget, folder, resolve_audit},
    sort::{Other, Raw, Reader, Tree},
    yaml,
};

/// Where a setting may come from. The environment is an argument, so that nothing else reads it.
#[derive(Clone, Debug, Default)]
pub struct ClientSources {
    /// What a command line says: it stands above everything else.
    pub options: Vec<CommandOption>,
    /// A mapping in the shape of the file, of the program that reads the configuration.
    pub values: Value,
    /// Where relative paths in `values` begin; nothing: where this process was started.
    pub base_dir: Option<PathBuf>,
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// A `.env` file; one that does not exist says nothing.
    pub dotenv: Option<PathBuf>,
}

/// A setting that an option of a command line gives.
#[derive(Clone, Debug)]
pub struct CommandOption {
    /// The setting's own name, as the table of keys has it.
    pub key: &'static str,
    /// As the user wrote it, such as `--url`.
    pub option: &'static str,
    pub value: Value,
}

/// How to reach an executor, and what to ask of it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Nothing: an executor of the client's own.
    pub executor_url: Option<String>,
    pub executor_api_key: Option<Secret>,
    /// Without any frame from the executor.
    pub timeout: Duration,
    /// Characters.
    pub max_code_length: Option<u64>,
    pub retry: Retry,
    pub tls: ClientTls,
    pub observability: Observability,
    /// In the shape of the file. With a URL a request to narrow the executor's policy, without one the embedded
    /// executor's policy, with its `audit`.
    pub policy: Option<Value>,
    /// Where the policy's relative paths begin.
    pub base_dir: PathBuf,
    /// The keys that were really given.
    pub given: BTreeSet<String>,
    /// Where their values came from: the line of a file, a variable or an option.
    pub origins: BTreeMap<String, String>,
    /// What is wrong where no executor of others is asked.
    idle: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    pub enabled: bool,
    pub max_attempts: u64,
    pub backoff_base: Duration,
    pub backoff_max: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    pub enabled: bool,
    pub mode: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub client_cert_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observability {
    /// As Python's logging names it.
    pub log_level: String,
    pub include_correlation_id: bool,
    pub correlation_id_prefix: String,
    pub traceback_limit: Option<u64>,
}

impl Observability {
    /// In the executor's words, which have none above error.
    pub fn level(&self) -> LogLevel {
        self.log_level.parse().unwrap_or_default()
    }
}

const FILE: Reader = Reader {
    own: keys::KEYS,
    others: &[Other {
        keys: crate::sidecar::keys::KEYS,
        refusal: "is a setting of `codemode serve`, in its configuration; a client takes none of it, so leave it out",
    }],
    shared: true,
};

/// A mapping in a program has no other reader.
const VALUES: Reader = Reader { shared: false, ..FILE };

const NOT_OURS: &str = "is the executor's own setting, and executor_url names one of others; leave it out";

impl ClientConfig {
    pub fn load(sources: &ClientSources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let environment = Environment::new(&sources.environment, sources.dotenv.as_ref(), &mut problems);
        let file = match &sources.file {
            Some(path) => {
                let (value, places) = yaml::read(path, &mut problems)?;
                Tree::of(value, places, FILE, Some(&environment), &mut problems)
            }
            None => Tree::default(),
        };
        let mut values = Tree::of(sources.values.clone(), yaml::Places::default(), VALUES, None, &mut problems);
        values.settings.extend(sources.options.iter().map(CommandOption::raw));
        let secrets = [environment.secrets(), file.secrets(keys::KEYS), values.secrets(keys::KEYS)].concat();
        let folder = sources.file.as_deref().map(folder);
        let base = sources.base_dir.as_deref();
        let config = Resolver { file, values, folder, base, problems: &mut problems }.resolve(&environment);
        match problems.is_empty() {
            true => Ok(config),
            false => Err(reported(problems, &secrets)),
        }
    }

    /// Refuses, where there is no `executor_url`, what only a connection to elsewhere could honour. What an executor reads as
    /// well, in the same file or under the same variable, may be meant for that one.
    pub fn check_embedded(&self) -> Result<(), ConfigError> {
        match self.executor_url.is_some() || self.idle.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Problems(self.idle.clone())),
        }
    }

    /// Every accepted key, with the policy's.
    pub fn keys() -> Vec<DescribedKey> {
        keys::described()
    }
}

impl CommandOption {
    fn raw(&self) -> (&'static str, Raw) {
        (self.key, Raw { value: self.value.clone(), setting: self.option.to_owned(), place: None })
    }
}

struct Resolver<'a> {
    file: Tree,
    values: Tree,
    folder: Option<PathBuf>,
    base: Option<&'a Path>,
    problems: &'a mut Vec<Problem>,
}

impl Resolver<'_> {
    fn resolve(mut self, environment: &Environment) -> ClientConfig {
        let values = Written { settings: &self.values.settings, base: self.base };
        let file = Written { settings: &self.file.settings, base: self.folder.as_deref() };
        let settings = Settings::read(keys::KEYS, values, environment, file, self.problems);
        check::check(&settings, self.problems);
        let mut given: BTreeSet<_> = settings.names().map(str::to_owned).collect();
        let executor_url = settings.text("executor_url");
        let base_dir = self.base_dir();
        let mut origins: BTreeMap<_, _> = settings.origins().collect();
        let (mut policy, of_policy) = self.policy(executor_url.is_some(), &base_dir);
        origins.extend(of_policy);
        given.extend(policy::leaves(&policy));
        if let Some(audit) = self.audit(&settings, &policy, executor_url.is_some()) {
            policy.insert("audit".into(), audit.to_string().into());
        }
        let milliseconds = |key, default| Duration::from_millis(settings.whole(key).unwrap_or(default));
        let path = |key| settings.text(key).map(PathBuf::from);
        let attempts = if executor_url.is_some() { keys::DEFAULT_ATTEMPTS } else { keys::EMBEDDED_ATTEMPTS };
        ClientConfig {
            executor_api_key: settings.text("executor_api_key").map(Secret::new),
            timeout: Duration::from_secs_f64(settings.value("timeout").and_then(Value::as_f64).unwrap_or(35.0)),
            max_code_length: settings.whole("max_code_length"),
            retry: Retry {
                enabled: settings.switch("retry.enabled").unwrap_or(true),
                max_attempts: settings.whole("retry.max_attempts").unwrap_or(attempts),
                backoff_base: milliseconds("retry.backoff_base_ms", 100),
                backoff_max: milliseconds("retry.backoff_max_ms", 5000),
            },
            tls: ClientTls {
                enabled: settings.switch("tls.enabled").unwrap_or(false),
                mode: settings.text("tls.mode"),
                ca_file: path("tls.ca_file"),
                client_cert_file: path("tls.client_cert_file"),
                client_key_file: path("tls.client_key_file"),
            },
            observability: Observability {
                log_level: settings.text("observability.log_level").unwrap_or_else(|| "INFO".into()),
                include_correlation_id: settings.switch("observability.include_correlation_id").unwrap_or(true),
                correlation_id_prefix: settings
                    .text("observability.correlation_id_prefix")
                    .unwrap_or_else(|| "cm".into()),
                traceback_limit: settings.whole("observability.traceback_limit"),
            },
            policy: (!policy.is_empty()).then_some(Value::Object(policy)),
            base_dir,
            executor_url,
            given,
            origins,
            idle: check::idle(&settings),
        }
    }

    fn base_dir(&self) -> PathBuf {
        let base = self.folder.clone().or_else(|| self.base.map(Path::to_owned));
        let base = base.unwrap_or_else(|| PathBuf::from("."));
        std::path::absolute(&base).unwrap_or(base)
    }

    /// Checked as its reader will read it; and where each part of it came from.
    fn policy(&mut self, remote: bool, base_dir: &Path) -> (Map<String, Value>, BTreeMap<String, String>) {
        let base = self.base.unwrap_or_else(|| Path::new("."));
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        if base != base_dir {
            policy::rebase(&mut self.values.policy, &base);
        }
        self.file.overlay(std::mem::take(&mut self.values));
        match remote {
            true => policy::check_request(&self.file, self.problems),
            false => drop(policy::read(&self.file, base_dir, &[], self.problems)),
        }
        let origins = self.file.origins().collect();
        (std::mem::take(&mut self.file.policy), origins)
    }

    /// An executor of others keeps its own: what a file says about it is for that executor to read.
    fn audit(&mut self, settings: &Settings, policy: &Map<String, Value>, remote: bool) -> Option<AuditTarget> {
        if remote {
            self.problems.extend(settings.at("audit", Layer::Argument).map(|given| given.problem(NOT_OURS)));
            return None;
        }
        let (given, target) = resolve_audit(settings, self.folder.as_deref(), self.base, self.problems)?;
        if target == AuditTarget::Stdout {
            self.problems.push(given.problem(NO_STDOUT));
        }
        // A policy that does not read has been reported.
        let base = self.base_dir();
        if let Ok(policy) = codemode_types::Policy::from_value(&Value::Object(policy.clone()), &base) {
            crate::sidecar::check_audit(Some(&(given, target.clone())), &policy, self.problems);
        }
        Some(target)
    }
}
