//! The setting `audit`, which an embedded executor takes as well as a daemon.

use std::path::Path;

use codemode_types::{Policy, Problem};
use serde_json::Value;

use super::problem;
use crate::audit::AuditTarget;

pub(super) const KEY: &str = "audit";

/// As the file says it; relative paths begin at `base`.
pub(super) fn from_value(value: &Value, base: &Path, problems: &mut Vec<Problem>) -> Option<AuditTarget> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => from_text(KEY, text, base, problems),
        _ => {
            problems.push(problem(KEY, "must be the path of a file, stdout, or off, as text"));
            None
        }
    }
}

pub(super) fn from_text(key: &str, text: &str, base: &Path, problems: &mut Vec<Problem>) -> Option<AuditTarget> {
    AuditTarget::parse(text, base).unwrap_or_else(|message| {
        problems.push(problem(key, message));
        None
    })
}

/// A log that the watched can read or write is none.
pub(super) fn check(key: &str, target: Option<&AuditTarget>, policy: &Policy, problems: &mut Vec<Problem>) {
    if let Some(message) = target.and_then(|target| target.misplaced(policy)) {
        problems.push(problem(key, message));
    }
}
