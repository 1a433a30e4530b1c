//! Where the audit log goes, as the setting `audit` says it. An embedded executor takes it as well as a daemon.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use codemode_types::{Policy, Problem};
use serde_json::Value;

use crate::settings::{Given, Layer, Settings};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    Stdout,
    /// Absolute.
    File(PathBuf),
}

/// The target, and the setting that says so. A relative path begins at the folder of the file that names it, at `base`
/// where a program does, and elsewhere where the executor was started, as in a shell.
pub(crate) fn resolve(
    settings: &Settings,
    folder: Option<&Path>,
    base: Option<&Path>,
    problems: &mut Vec<Problem>,
) -> Option<(Given, AuditTarget)> {
    let mut target = None;
    for layer in [Layer::File, Layer::DotEnv, Layer::Environment, Layer::Argument] {
        let Some(given) = settings.at("audit", layer) else { continue };
        let base = match layer {
            Layer::File => folder,
            Layer::Argument => base,
            _ => None,
        };
        match AuditTarget::of_value(&given.value, base.unwrap_or_else(|| Path::new("."))) {
            Ok(read) => target = read.map(|read| (given.clone(), read)),
            Err(message) => problems.push(given.problem(message)),
        }
    }
    target
}

/// A log that the watched can read or write is none.
pub(crate) fn check(audit: Option<&(Given, AuditTarget)>, policy: &Policy, problems: &mut Vec<Problem>) {
    if let Some((given, target)) = audit
        && let Some(message) = target.misplaced(policy)
    {
        problems.push(given.problem(message));
    }
}

impl AuditTarget {
    fn of_value(value: &Value, base: &Path) -> Result<Option<Self>, &'static str> {
        match value {
            Value::Bool(false) => Ok(None),
            Value::String(text) => Self::parse(text, base),
            _ => Err("must be the path of a file, stdout, or off, as text"),
        }
    }

    /// `stdout`, `off`, or a path, which begins at `base` where it is relative.
    fn parse(text: &str, base: &Path) -> Result<Option<Self>, &'static str> {
        match text {
            "off" => Ok(None),
            "stdout" => Ok(Some(Self::Stdout)),
            "stderr" => Err("must not be stderr, where the log goes: write a path, or stdout"),
            "" | "-" => Err("must be the path of a file, stdout, or off"),
            path => Ok(Some(Self::File(std::path::absolute(base.join(path)).unwrap_or_else(|_| base.join(path))))),
        }
    }

    /// Why executions would get hold of the file, if they would.
    fn misplaced(&self, policy: &Policy) -> Option<String> {
        let Self::File(path) = self else { return None };
        let files = &policy.filesystem;
        let folders = [("workspace", &files.workspace.mount), ("outputs", &files.outputs.mount)];
        let path = real(path);
        let (name, folder) =
            folders.into_iter().find(|(_, folder)| folder.as_deref().is_some_and(|it| path.starts_with(real(it))))?;
        let folder = folder.as_deref().unwrap_or(Path::new("")).display();
        Some(format!("must not be in {folder}, the folder of filesystem.{name}, which executed code can reach"))
    }
}

/// As far as it exists, without links; the rest as it is.
fn real(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // A link to what does not exist yet leads there all the same, once it is opened.
    for _ in 0..MOST_LINKS {
        let (Err(_), Ok(target)) = (path.canonicalize(), path.read_link()) else { break };
        path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            // Joining an empty rest would add a slash, which no file has.
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path
}

impl fmt::Display for AuditTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => formatter.write_str("stdout"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}
