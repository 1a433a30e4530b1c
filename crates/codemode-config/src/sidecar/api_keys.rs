//! API keys: where they come from, and their texts.

use std::path::PathBuf;

use codemode_types::{Place, Problem};
use serde_json::Value;

use super::keys::{API_KEY, API_KEY_PREVIOUS};
use crate::{
    Secret,
    environment::{Environment, Found, SecretFrom, file_text},
    settings::{Given, Layer, Settings},
};

/// Two, so that a new key can be rolled out while the old one still holds.
const MAX_KEYS: usize = 2;

/// Where the API keys come from, so that those in files can be read again.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyParts(pub Vec<ApiKeyPart>);

#[derive(Clone, Debug)]
pub struct ApiKeyPart {
    /// In the user's own spelling.
    pub setting: String,
    pub place: Option<Place>,
    pub keys: Vec<Secret>,
    /// The file that holds them. A pipe can be read but once, and is none.
    pub file: Option<PathBuf>,
    /// Whether no key is an answer, too.
    pub may_be_empty: bool,
}

impl ApiKeyParts {
    /// From the strongest layer that has one. The key from before is the environment's alone: a file has a list.
    pub(super) fn resolve(settings: &Settings, environment: &Environment, problems: &mut Vec<Problem>) -> Self {
        let secret = |name, may_be_empty| environment.layers.iter().find_map(|it| it.secret(name, may_be_empty));
        let argument = settings.at("api_key", Layer::Argument);
        let current = match (argument, secret(API_KEY, false)) {
            (Some(given), _) => Some(ApiKeyPart::of_value(given)),
            (None, Some(secret)) => Some(secret.and_then(|secret| ApiKeyPart::of_secret(&secret, false))),
            (None, None) => settings.get("api_key").map(ApiKeyPart::of_value),
        };
        let previous = secret(API_KEY_PREVIOUS, true).map(|secret| match (secret?, &current) {
            (secret, Some(_)) => ApiKeyPart::of_secret(&secret, true),
            (secret, None) => {
                Err(secret.found().problem(format!("there is no key that came after it: set {API_KEY} as well")))
            }
        });
        let parts = [current, previous].into_iter().flatten();
        let parts = Self(parts.filter_map(|part| part.map_err(|problem| problems.push(problem)).ok()).collect());
        let sets: Vec<_> = parts.0.iter().map(|part| part.keys.clone()).collect();
        problems.extend(parts.union(&sets).err());
        parts
    }

    pub fn keys(&self) -> Vec<Secret> {
        distinct(self.0.iter().map(|part| part.keys.as_slice()))
    }

    /// The keys of all parts as they are now.
    pub fn union(&self, sets: &[Vec<Secret>]) -> Result<Vec<Secret>, Problem> {
        let keys = distinct(sets.iter().map(Vec::as_slice));
        match self.0.last() {
            Some(last) if keys.len() > MAX_KEYS => Err(last
                .problem(format!("makes {} API keys; {MAX_KEYS} may hold at once, the new and the old", keys.len()))),
            _ => Ok(keys),
        }
    }
}

fn distinct<'a>(sets: impl Iterator<Item = &'a [Secret]>) -> Vec<Secret> {
    let mut keys: Vec<Secret> = Vec::new();
    for key in sets.flatten() {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

impl ApiKeyPart {
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.setting, message).at(self.place.clone())
    }

    /// The line of the file, or the variable.
    pub(super) fn origin(&self) -> String {
        match &self.place {
            Some(place) if self.setting.starts_with("CODEMODE_") => format!("{place} {}", self.setting),
            Some(place) => place.to_string(),
            None => self.setting.clone(),
        }
    }

    /// A key, or a list of at most two.
    fn of_value(given: &Given) -> Result<Self, Problem> {
        let keys = from_value(&given.value).map_err(|message| given.problem(message))?;
        let (setting, place) = (given.setting.clone(), given.place.clone());
        Ok(Self { setting, place, keys, file: None, may_be_empty: false })
    }

    fn of_secret(secret: &SecretFrom, may_be_empty: bool) -> Result<Self, Problem> {
        let Found { name, value, place } = secret.found();
        let (text, file) = match secret {
            SecretFrom::Text(_) => (value.clone(), None),
            SecretFrom::File(found) => {
                let path = PathBuf::from(value);
                (file_text(found)?, path.is_file().then_some(path))
            }
        };
        let part = Self { setting: name.clone(), place: place.clone(), keys: Vec::new(), file, may_be_empty };
        let keys = read_api_keys(&text, may_be_empty).map_err(|message| part.problem(message))?;
        Ok(Self { keys, ..part })
    }
}

/// One key a line, as a secret file holds them.
pub fn read_api_keys(text: &str, may_be_empty: bool) -> Result<Vec<Secret>, String> {
    let texts: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new).collect();
    match (texts.is_empty(), may_be_empty) {
        (true, true) => Ok(texts),
        // A key that was meant and is missing must not turn into no key.
        (true, false) => Err("is empty; set a key or remove it".into()),
        (false, _) => checked(texts),
    }
}

fn from_value(value: &Value) -> Result<Vec<Secret>, String> {
    let keys = match value {
        Value::String(key) => vec![Secret::new(key)],
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(Secret::new))
            .collect::<Option<_>>()
            .ok_or("must be text, or a list of texts")?,
        Value::Number(_) => return Err("must be text: put it in quotes".into()),
        _ => return Err("must be text, or a list of texts".into()),
    };
    checked(keys)
}

fn checked(keys: Vec<Secret>) -> Result<Vec<Secret>, String> {
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(format!("must hold 1 or {MAX_KEYS} keys"));
    }
    // What a header can carry; a key that no client could send would lock everybody out.
    let sendable = |key: &Secret| !key.reveal().is_empty() && key.reveal().bytes().all(|byte| byte.is_ascii_graphic());
    match keys.iter().all(sendable) {
        true => Ok(keys),
        false => Err("a key must be printable ASCII without spaces, and not empty".into()),
    }
}
