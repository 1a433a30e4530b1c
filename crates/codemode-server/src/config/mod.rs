//! The executor's configuration: argument > environment > YAML > default, every problem reported at once.

mod address;
mod environment;
mod expand;
mod file;
mod key;
mod layers;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_types::{Policy, Problem};
use thiserror::Error;

pub use address::ListenAddress;
pub use layers::{Arguments, LogLevel};

use crate::auth::ApiKeys;

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
    pub api_keys: ApiKeys,
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

/// Where an embedded executor's policy comes from: its address and key are its parent's business.
#[derive(Clone, Debug)]
pub enum PolicySource {
    Default,
    /// In the shape of the YAML file, with nothing in it but a policy; relative mounts begin at the folder.
    Value(serde_json::Value, PathBuf),
    File(PathBuf),
}

/// Reads only a policy, without the environment's settings.
pub fn load_policy(source: PolicySource, variables: &BTreeMap<String, String>) -> Result<Policy, ConfigError> {
    let mut problems = Vec::new();
    let (tree, base) = match source {
        PolicySource::Default => return Ok(Policy::default()),
        PolicySource::Value(value, base) => (file::only_policy(value, &mut problems), base),
        PolicySource::File(path) => (file::read_policy(&path, variables, &mut problems)?, folder(&path)),
    };
    match Policy::from_value(&serde_json::Value::Object(tree), &base) {
        Ok(policy) if problems.is_empty() => Ok(policy),
        Ok(_) => Err(ConfigError::Problems(problems)),
        Err(error) => Err(ConfigError::Problems(problems.into_iter().chain(error.problems).collect())),
    }
}

/// The folder that a file's relative paths are relative to, absolute where the file can be found.
fn folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

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
