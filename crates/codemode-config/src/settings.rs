//! Argument > environment > `.env` > file > default, setting by setting.

use std::{collections::BTreeMap, path::Path};

use codemode_types::{Place, Problem};
use serde_json::Value;

use crate::{
    environment::{Environment, Found, SecretFrom, Variables, file_text},
    key::{Key, Kind, shown},
    sort::Raw,
};

/// Where a value came from; the stronger is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    File,
    DotEnv,
    Environment,
    Argument,
}

/// A value that follows its setting's rule.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) value: Value,
    /// In the user's own spelling.
    pub(crate) setting: String,
    pub(crate) place: Option<Place>,
    pub(crate) layer: Layer,
}

impl Given {
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.setting, message).at(self.place.clone())
    }

    /// The line of the file, the variable or the option.
    pub(crate) fn origin(&self) -> String {
        match &self.place {
            Some(place) if self.layer == Layer::File => place.to_string(),
            Some(place) => format!("{place} {}", self.setting),
            None => self.setting.clone(),
        }
    }
}

pub(crate) type RawSettings = BTreeMap<&'static str, Raw>;

/// One layer that was written down, and where its relative paths begin.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) settings: &'a RawSettings,
    pub(crate) base: Option<&'a Path>,
}

/// Every setting that was given, the strongest value first.
#[derive(Debug, Default)]
pub(crate) struct Settings(BTreeMap<&'static str, Vec<Given>>);

impl Settings {
    /// Values that break their rule are reported, also where a stronger layer says something else.
    pub(crate) fn read(
        keys: &'static [Key],
        arguments: Written<'_>,
        environment: &Environment,
        file: Written<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut read = BTreeMap::new();
        for key in keys {
            let mut given: Vec<Given> = Vec::new();
            let mut note = |raw: Option<Raw>, layer, base: Option<&Path>, problems: &mut Vec<Problem>| {
                given.extend(raw.and_then(|raw| checked(key, raw, layer, base, problems)));
            };
            note(arguments.settings.get(key.name).cloned(), Layer::Argument, arguments.base, problems);
            for (variables, layer) in environment.layers.iter().zip([Layer::Environment, Layer::DotEnv]) {
                note(variable(key, variables, problems), layer, None, problems);
            }
            note(file.settings.get(key.name).cloned(), Layer::File, file.base, problems);
            if !given.is_empty() {
                read.insert(key.name, given);
            }
        }
        Self(read)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Given> {
        self.0.get(key)?.first()
    }

    /// What one layer says.
    pub(crate) fn at(&self, key: &str, layer: Layer) -> Option<&Given> {
        self.0.get(key)?.iter().find(|given| given.layer == layer)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.get(key).map(|given| &given.value)
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.value(key)?.as_str().map(str::to_owned)
    }

    pub(crate) fn switch(&self, key: &str) -> Option<bool> {
        self.value(key)?.as_bool()
    }

    pub(crate) fn whole(&self, key: &str) -> Option<u64> {
        self.value(key)?.as_u64()
    }

    /// Where each setting's value came from.
    pub(crate) fn origins(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter_map(|(name, given)| Some(((*name).to_owned(), given.first()?.origin())))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

fn checked(key: &Key, raw: Raw, layer: Layer, base: Option<&Path>, problems: &mut Vec<Problem>) -> Option<Given> {
    let Some(mut value) = key.kind.read(&raw.value) else {
        // What stands before the `@` of an address is a secret.
        let hidden = key.kind.is_secret() || raw.value.as_str().is_some_and(|text| text.contains('@'));
        let found = if hidden { String::new() } else { format!(", found {}", shown(&raw.value)) };
        let message = format!("must {}{found}", key.kind.rule());
        problems.push(Problem::new(raw.setting, message).at(raw.place));
        return None;
    };
    if let (Kind::Path, Some(base), Some(path)) = (key.kind, base, value.as_str()) {
        value = base.join(path).display().to_string().into();
    }
    Some(Given { value, setting: raw.setting, place: raw.place, layer })
}

fn variable(key: &Key, variables: &Variables, problems: &mut Vec<Problem>) -> Option<Raw> {
    let of = |found: Found, text: &str| Raw {
        value: key.kind.of_text(text),
        setting: found.name.clone(),
        place: found.place.clone(),
    };
    match (key.kind, key.variables) {
        // Their reader wants to read the files again.
        (Kind::Secrets, _) | (_, []) => None,
        (Kind::Secret, [name, ..]) => {
            let text = variables.secret(name, true)?.and_then(|secret| match secret {
                SecretFrom::Text(found) => Ok((found.value.clone(), found)),
                SecretFrom::File(found) => Ok((one_line(&found, &file_text(&found)?)?, found)),
            });
            let (text, found) = text.map_err(|problem| problems.push(problem)).ok()?;
            Some(of(found, &text))
        }
        (_, names) => variables.find(names, problems).map(|found| of(found.clone(), &found.value)),
    }
}

fn one_line(found: &Found, text: &str) -> Result<String, Problem> {
    match text.trim() {
        "" => Err(found.problem(format!("{} is empty", found.value))),
        text => Ok(text.to_owned()),
    }
}
