use std::path::PathBuf;

use codemode_types::Problem;
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}{}: this is not YAML: {message}", .line.map_or_else(String::new, |line| format!(":{line}")))]
    Yaml { path: PathBuf, line: Option<u64>, message: String },
    /// One a line.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

/// Shorter ones stand in too many harmless words.
const SHORTEST_HIDDEN: usize = 6;

/// What was found, in the order of the file. A secret that was put in a wrong place is not repeated.
pub(crate) fn reported(mut problems: Vec<Problem>, secrets: &[String]) -> ConfigError {
    problems.sort_by(|left, right| match (&left.place, &right.place) {
        (Some(left), Some(right)) => left.cmp(right),
        (left, right) => right.is_some().cmp(&left.is_some()),
    });
    for problem in &mut problems {
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_HIDDEN) {
            if problem.message.contains(secret.as_str()) {
                problem.message = problem.message.replace(secret.as_str(), "…");
            }
        }
    }
    ConfigError::Problems(problems)
}
