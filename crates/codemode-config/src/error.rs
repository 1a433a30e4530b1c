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

/// Of a secret that was cut, in characters, for the same reason.
const SHORTEST_PART: usize = 12;

/// What was found, in the order of the file. A secret that was put in a wrong place is not repeated.
pub(crate) fn reported(mut problems: Vec<Problem>, secrets: &[String]) -> ConfigError {
    problems.sort_by(|left, right| match (&left.place, &right.place) {
        (Some(left), Some(right)) => left.cmp(right),
        (left, right) => right.is_some().cmp(&left.is_some()),
    });
    for problem in &mut problems {
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_HIDDEN) {
            let quoted = format!("{secret:?}");
            for form in [secret, quoted.trim_matches('"')] {
                problem.message = without(&problem.message, form);
            }
        }
    }
    ConfigError::Problems(problems)
}

/// With `…` for the secret, also where its end was cut off to keep the message short.
fn without(message: &str, secret: &str) -> String {
    let head = secret.char_indices().nth(SHORTEST_PART).map_or(secret, |(end, _)| &secret[..end]);
    let (mut shown, mut rest) = (String::new(), message);
    while let Some(start) = rest.find(head) {
        let found = &rest[start..];
        let common = found.chars().zip(secret.chars()).take_while(|(found, secret)| found == secret);
        let length = common.map(|(letter, _)| letter.len_utf8()).sum::<usize>();
        let behind = &found[length..];
        let is_secret = length == secret.len() || behind.is_empty() || behind.starts_with(['…', '`', '"']);
        shown.push_str(&rest[..start]);
        shown.push_str(if is_secret { "…" } else { &found[..length] });
        rest = behind.strip_prefix('…').filter(|_| is_secret).unwrap_or(behind);
    }
    shown + rest
}
