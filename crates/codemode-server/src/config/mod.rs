//! The executor's configuration: argument > environment > YAML > default, every problem reported at once.

mod address;
mod audit;
mod environment;
mod expand;
mod file;
mod key;
mod layers;
mod tls;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_types::{Policy, Problem};
use thiserror::Error;

pub use address::ListenAddress;
pub use key::KeySource;
pub use layers::{Arguments, LogLevel};

use crate::{audit::AuditTarget, auth::ApiKeys, tls::TlsSettings};

/// Where a setting may come from. The environment is an argument, so that nothing else reads it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    pub arguments: Arguments,
}

#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub policy: Policy,
    pub listen: ListenAddress,
    pub tls: Option<TlsSettings>,
    /// Whether a port that other machines reach must have it.
    pub tls_required: bool,
    pub api_keys: ApiKeys,
    pub key_source: KeySource,
    pub audit: Option<AuditTarget>,
    pub log_level: LogLevel,
    pub drain_timeout: Duration,
}

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not YAML: {message}")]
    Yaml { path: PathBuf, message: String },
    #[error("{}", Listed(.0))]
    Problems(Vec<Problem>),
}

impl ServerConfig {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let tree = match &sources.file {
            Some(path) => file::read(path, &sources.environment, &mut problems)?,
            None => file::Tree::default(),
        };
        let base = sources.file.as_deref().map_or_else(|| PathBuf::from("."), folder);
        let config = layers::resolve(tree, &base, sources, &mut problems);
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Problems(problems)),
        }
    }
}

/// An embedded executor's share of a configuration: its address and key are its parent's business.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedConfig {
    pub policy: Policy,
    pub audit: Option<AuditTarget>,
}

/// Where it comes from.
#[derive(Clone, Debug)]
pub enum PolicySource {
    Default,
    /// In the shape of the YAML file, with nothing else in it; relative paths begin at the folder.
    Value(serde_json::Value, PathBuf),
    File(PathBuf),
}

impl EmbeddedConfig {
    /// Without the environment's settings.
    pub fn load(source: PolicySource, variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let (tree, base) = match source {
            PolicySource::Default => return Ok(Self::default()),
            PolicySource::Value(value, base) => (file::only_embedded(value, &mut problems), base),
            PolicySource::File(path) => (file::read_embedded(&path, variables, &mut problems)?, folder(&path)),
        };
        let audit = tree.server.get(audit::KEY).and_then(|value| audit::from_value(value, &base, &mut problems));
        if audit == Some(AuditTarget::Stdout) {
            problems.push(problem(audit::KEY, NO_STDOUT));
        }
        match Policy::from_value(&serde_json::Value::Object(tree.policy), &base) {
            Ok(policy) => {
                audit::check(audit::KEY, audit.as_ref(), &policy, &mut problems);
                let config = Self { policy, audit };
                if problems.is_empty() { Ok(config) } else { Err(ConfigError::Problems(problems)) }
            }
            Err(error) => Err(ConfigError::Problems(problems.into_iter().chain(error.problems).collect())),
        }
    }
}

/// The folder that a file's relative paths are relative to, absolute where the file can be found.
fn folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

const NO_STDOUT: &str = "an embedded executor has no standard output that anybody reads: write the path of a file";

fn problem(key: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { key: key.into(), message: message.into() }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { key, message }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{key}: {message}")?;
        }
        Ok(())
    }
}
