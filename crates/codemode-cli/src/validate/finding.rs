use std::{
    fmt,
    path::{Path, PathBuf},
};

use codemode_client::config::{ConfigError, needs_variable};
use codemode_types::{Place, Problem};
use serde_json::{Value, json};

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    file: Option<PathBuf>,
    line: Option<u64>,
    pub(super) key: Option<String>,
    message: String,
    /// Whether a variable is all that is missing.
    pub(super) needs_variable: bool,
}

impl Finding {
    /// Of a whole file.
    pub(super) fn about(file: &Path, message: &str) -> Self {
        let (file, message) = (Some(file.to_owned()), message.to_owned());
        Self { file, line: None, key: None, message, needs_variable: false }
    }

    pub(super) fn of(error: ConfigError) -> Vec<Self> {
        let about = |file: PathBuf, line, message: String| vec![Self { line, ..Self::about(&file, &message) }];
        match error {
            ConfigError::Problems(problems) => problems.into_iter().map(Self::from).collect(),
            ConfigError::Read { path, source } => about(path, None, format!("cannot be read: {source}")),
            ConfigError::Yaml { path, line, message } => about(path, line, format!("this is not YAML: {message}")),
        }
    }

    pub(super) fn is_about(&self, other: &Self) -> bool {
        (&self.file, self.line, &self.key) == (&other.file, other.line, &other.key)
    }

    pub(super) fn document(&self) -> Value {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        json!({"file": file, "line": self.line, "key": self.key, "message": self.message})
    }
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        let needs_variable = needs_variable(&problem);
        let Problem { key, message, place, .. } = problem;
        let (file, line) = place.map(|Place { file, line }| (file, line)).unzip();
        Self { file, line, key: Some(key), message, needs_variable }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(formatter, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(formatter, "{}: ", file.display())?,
            (None, _) => {}
        }
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(&self.message)
    }
}
