//! Which interpreters run code, and what they have imported by then.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use super::parse::Findings;

/// Each has sandboxes ready once it was used.
const MOST_ENVIRONMENTS: usize = 16;
const LONGEST_NAME: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuestPolicy {
    /// Absent: the embedding Python, or python3 on PATH.
    pub interpreter: Option<PathBuf>,
    /// Modules the zygote imports once.
    pub preload: Vec<String>,
    /// Others, which an execution asks for by name. Each is started when it is first asked for.
    pub environments: Vec<EnvironmentPolicy>,
}

/// An interpreter and what it has imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct EnvironmentPolicy {
    pub name: String,
    /// Absent: [`GuestPolicy::interpreter`].
    #[serde(default)]
    pub interpreter: Option<PathBuf>,
    #[serde(default)]
    pub preload: Vec<String>,
}

impl Serialize for EnvironmentPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// By its keys alone: serde would take a list of their values as well.
impl<'de> Deserialize<'de> for EnvironmentPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = serde_json::Map::deserialize(deserializer)?;
        Self::deserialize(Value::Object(members)).map_err(D::Error::custom)
    }
}

impl GuestPolicy {
    pub(super) fn validate(&self, found: &mut Findings<'_>) {
        const KEY: &str = "guest.environments";
        if self.environments.len() > MOST_ENVIRONMENTS {
            found.say(KEY, &format!("at most {MOST_ENVIRONMENTS} are possible"));
        }
        let mut names = BTreeSet::new();
        for (item, EnvironmentPolicy { name, .. }) in self.environments.iter().enumerate() {
            if !is_name(name) {
                found.item(KEY, item, &format!("a name is 1 to {LONGEST_NAME} letters, digits, `-` or `_`"));
            } else if !names.insert(name) {
                found.item(KEY, item, &format!("`{name}` is the name of another one"));
            }
        }
    }

    pub(super) fn interpreters(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let environments = self.environments.iter_mut().map(|environment| &mut environment.interpreter);
        [&mut self.interpreter].into_iter().chain(environments).flatten()
    }

    /// A single word is looked for on PATH, anything else is a path.
    pub(super) fn resolve(&mut self, base: &Path) {
        for interpreter in self.interpreters().filter(|interpreter| interpreter.components().count() > 1) {
            *interpreter = base.join(&*interpreter);
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Policy;

    fn parse(environments: Value) -> Result<Vec<EnvironmentPolicy>, String> {
        let policy = Policy::from_value(&json!({"guest": {"environments": environments}}), Path::new("/base"));
        policy.map(|policy| policy.guest.environments).map_err(|error| error.to_string())
    }

    #[test]
    fn an_environment_has_a_name_and_what_differs() {
        let read = parse(json!([
            {"name": "data", "interpreter": "venv/bin/python", "preload": ["pandas"]},
            {"name": "next", "interpreter": "python3.13"},
        ]));
        let next = EnvironmentPolicy { name: "next".into(), interpreter: Some("python3.13".into()), preload: vec![] };
        let data = EnvironmentPolicy {
            name: "data".into(),
            interpreter: Some("/base/venv/bin/python".into()),
            preload: vec!["pandas".into()],
        };
        assert_eq!(read, Ok(vec![data, next]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = [
            (json!([{"name": "a"}, {"name": "a"}]), "guest.environments: `a` is the name of another one"),
            (json!([{"name": "../a"}]), "guest.environments: a name is 1 to 64 letters, digits, `-` or `_`"),
            (json!([{"preload": ["json"]}]), "guest.environments: missing field `name`"),
            (
                json!([{"name": "a", "preloads": []}]),
                "guest.environments: unknown field `preloads`, expected one of `name`, `interpreter`, `preload`",
            ),
            (json!({"a": {}}), "guest.environments: expected a list, found a mapping"),
            (
                Value::from_iter((0..17).map(|n| json!({"name": format!("n{n}")}))),
                "guest.environments: at most 16 are possible",
            ),
        ];
        for (value, told) in wrong {
            assert_eq!(parse(value).unwrap_err(), told);
        }
    }
}
