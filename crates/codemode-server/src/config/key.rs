//! API keys: where they come from, and their texts before they become digests.

use std::{fs, path::PathBuf};

use codemode_types::Problem;
use serde_json::Value;

use super::{
    ConfigError,
    environment::{Environment, Found, Secret},
    problem,
};
use crate::{
    auth::ApiKeys,
    secret_file::{self, Stamp},
};

/// Two, so that a new key can be rolled out while the old one still holds.
const MAX_KEYS: usize = 2;

const CURRENT: &str = "CODEMODE_API_KEY";
const PREVIOUS: &str = "CODEMODE_API_KEY_PREVIOUS";

/// Where the API keys come from, so that those in files can be read again.
#[derive(Clone, Debug, Default)]
pub struct KeySource(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    setting: String,
    /// As they were at the start.
    keys: ApiKeys,
    file: Option<KeyFile>,
}

#[derive(Clone, Debug)]
struct KeyFile {
    path: PathBuf,
    stamp: Stamp,
    may_be_empty: bool,
}

impl KeySource {
    /// From the environment, or else from the file's `api_key`. The key from before is the environment's alone: a file
    /// has a list.
    pub(super) fn resolve(environment: &Environment<'_>, value: Option<&Value>, problems: &mut Vec<Problem>) -> Self {
        let current = match environment.secret(CURRENT, false) {
            Some(secret) => Some(secret.and_then(|secret| Part::of_secret(&secret, false))),
            None => value.map(|value| Part::of_value("api_key", value)),
        };
        let previous = environment.secret(PREVIOUS, true).map(|secret| match (secret?, &current) {
            (secret, Some(_)) => Part::of_secret(&secret, true),
            (secret, None) => {
                let message = format!("there is no key that came after it: set {CURRENT} as well");
                Err(problem(&secret.found().name, message))
            }
        });
        let parts = [current, previous].into_iter().flatten();
        Self(parts.filter_map(|part| part.map_err(|problem| problems.push(problem)).ok()).collect())
    }

    /// As they were at the start.
    pub(super) fn keys(&self) -> Result<ApiKeys, Problem> {
        self.union(self.0.iter().map(|part| part.keys.clone()).collect())
    }

    /// As the files have them now.
    pub(crate) fn read_again(&self) -> Result<ApiKeys, ConfigError> {
        let read = self.0.iter().map(Part::read_again);
        let keys = read.collect::<Result<_, _>>().and_then(|keys| self.union(keys));
        keys.map_err(|problem| ConfigError::Problems(vec![problem]))
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.0.iter().filter_map(|part| part.file.as_ref()).map(|file| file.path.clone()).collect()
    }

    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.0.iter().filter_map(|part| part.file.as_ref()).map(|file| file.stamp).collect()
    }

    fn union(&self, sets: Vec<ApiKeys>) -> Result<ApiKeys, Problem> {
        let keys = ApiKeys::union(&sets);
        match self.0.last() {
            Some(last) if keys.len() > MAX_KEYS => {
                let message =
                    format!("makes {} API keys; {MAX_KEYS} may hold at once, the new and the old", keys.len());
                Err(problem(&last.setting, message))
            }
            _ => Ok(keys),
        }
    }
}

impl Part {
    /// A key, or a list of at most two.
    fn of_value(setting: &str, value: &Value) -> Result<Self, Problem> {
        let texts = from_value(value).map_err(|message| problem(setting, message))?;
        Ok(Self { setting: setting.to_owned(), keys: ApiKeys::new(&texts), file: None })
    }

    fn of_secret(secret: &Secret, may_be_empty: bool) -> Result<Self, Problem> {
        match secret {
            Secret::Text(Found { name, value }) => {
                Ok(Self { setting: name.clone(), keys: read_keys(name, value, may_be_empty)?, file: None })
            }
            Secret::File(Found { name, value }) => Self::of_file(name, value.into(), may_be_empty),
        }
    }

    /// Of a file that is read again when it changes. A pipe can be read but once.
    fn of_file(setting: &str, path: PathBuf, may_be_empty: bool) -> Result<Self, Problem> {
        let stamp = Stamp::of(&path);
        let text = fs::read_to_string(&path)
            .map_err(|error| problem(setting, format!("cannot read {}: {error}", path.display())))?;
        let keys = read_keys(setting, &text, may_be_empty)?;
        let file = path.is_file().then_some(KeyFile { path, stamp, may_be_empty });
        Ok(Self { setting: setting.to_owned(), keys, file })
    }

    fn read_again(&self) -> Result<ApiKeys, Problem> {
        let Some(file) = &self.file else { return Ok(self.keys.clone()) };
        let unreadable = |error: &dyn std::fmt::Display| {
            problem(&self.setting, format!("cannot read {}: {error}", file.path.display()))
        };
        let (bytes, _) = secret_file::read(&file.path).map_err(|error| unreadable(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is no text"))?;
        read_keys(&self.setting, &text, file.may_be_empty)
    }
}

/// One key a line, as a secret file holds them.
fn read_keys(setting: &str, text: &str, may_be_empty: bool) -> Result<ApiKeys, Problem> {
    let texts: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if texts.is_empty() {
        // A key that was meant and is missing must not turn into no key.
        return if may_be_empty {
            Ok(ApiKeys::default())
        } else {
            Err(problem(setting, "is empty; set a key or remove it"))
        };
    }
    let texts = checked(texts).map_err(|message| problem(setting, message))?;
    Ok(ApiKeys::new(&texts))
}

fn from_value(value: &Value) -> Result<Vec<String>, String> {
    let keys = match value {
        Value::String(key) => vec![key.clone()],
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or("must be text, or a list of texts")?,
        Value::Number(_) => return Err("must be text: put it in quotes".into()),
        _ => return Err("must be text, or a list of texts".into()),
    };
    checked(keys)
}

fn checked(keys: Vec<String>) -> Result<Vec<String>, String> {
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(format!("must hold 1 or {MAX_KEYS} keys"));
    }
    // What a header can carry; a key that no client could send would lock everybody out.
    match keys.iter().all(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())) {
        true => Ok(keys),
        false => Err("a key must be printable ASCII without spaces, and not empty".into()),
    }
}
