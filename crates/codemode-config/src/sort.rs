//! From a tree of keys to one place for each setting, whichever spelling and place the writer chose.

use std::collections::{BTreeMap, BTreeSet};

use codemode_types::{Place, Problem, nearest};
use serde_json::{Map, Value};

use crate::{
    environment::Environment,
    expand::expanded,
    key::{Key, Kind},
    yaml::{Places, join, member},
};

/// A value as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) value: Value,
    /// In the writer's own spelling.
    pub(crate) setting: String,
    pub(crate) place: Option<Place>,
}

/// The settings of one reader: its own keys, and the policy in the shape that `Policy::from_value` reads.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) settings: BTreeMap<&'static str, Raw>,
    pub(crate) policy: Map<String, Value>,
    pub(crate) places: Places,
    /// How each part of the policy was spelt.
    origins: BTreeMap<String, String>,
}

/// Whose keys count, and what becomes of the others'.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) own: &'static [Key],
    pub(crate) others: &'static [Other],
    /// Whether the tree has other readers, so that their keys are theirs to judge.
    pub(crate) shared: bool,
}

/// Another reader's keys, and why they are refused where it does not read.
pub(crate) struct Other {
    pub(crate) keys: &'static [Key],
    pub(crate) refusal: &'static str,
}

/// What only describes, and so takes effect nowhere.
pub(crate) const DESCRIPTIVE_KEYS: [&str; 2] = ["project", "framework"];

/// Sections and keys that stand under `executor:` as well as at the root, besides the policy's.
pub(crate) const ALSO_UNDER_EXECUTOR: [&str; 2] = ["tls", "audit"];

const NO_MAPPING: &str = "must be a mapping of keys to values";

impl Tree {
    /// Sorts `value`. Variables in it are filled in where `environment` is given.
    pub(crate) fn of(
        value: Value,
        places: Places,
        reader: Reader,
        environment: Option<&Environment>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let tree = Self { places, ..Self::default() };
        let mut sorter = Sorter { tree, reader, environment, problems };
        match value {
            Value::Null => {}
            Value::Object(members) => members.into_iter().for_each(|(name, value)| sorter.root(&name, value)),
            _ => sorter.problems.push(Problem::new("configuration", NO_MAPPING).at(sorter.tree.places.get(""))),
        }
        sorter.tree
    }

    /// What `other` says of the policy stands above what this tree says.
    pub(crate) fn overlay(&mut self, other: Self) {
        for path in crate::policy::leaves(&other.policy) {
            let spelt = other.spelt(&path);
            self.origins.insert(path, spelt);
        }
        overlay(&mut self.policy, other.policy);
    }

    /// What must not appear in a text.
    pub(crate) fn secrets(&self, keys: &[Key]) -> Vec<String> {
        let secret = keys.iter().filter(|key| key.kind.is_secret()).filter_map(|key| self.settings.get(key.name));
        let texts = secret.flat_map(|raw| match &raw.value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().map_or_else(Vec::new, |text| vec![text]),
        });
        texts.map(str::to_owned).collect()
    }

    /// How the writer spelt a part of the policy, which may have come with a whole block.
    pub(crate) fn spelt(&self, full: &str) -> String {
        let mut ends = full.rmatch_indices('.').map(|(end, _)| end);
        let mut end = full.len();
        loop {
            if let Some(path) = self.origins.get(&full[..end]) {
                return format!("{path}{}", &full[end..]);
            }
            match ends.next() {
                Some(shorter) => end = shorter,
                None => return full.to_owned(),
            }
        }
    }

    /// Where each part of the policy that was given came from: the line, or the writer's spelling where there is none.
    pub(crate) fn origins(&self) -> impl Iterator<Item = (String, String)> {
        crate::policy::leaves(&self.policy).into_iter().map(|path| {
            let origin = self.place(&path, None).map_or_else(|| self.spelt(&path), |place| place.to_string());
            (path, origin)
        })
    }

    /// Where a part of the policy stands, or what it is in.
    pub(crate) fn place(&self, full: &str, item: Option<usize>) -> Option<Place> {
        let spelt = self.spelt(full);
        let mut path = spelt.as_str();
        let mut found = self.places.of_item(path, item);
        while let (None, Some((outer, _))) = (&found, path.rsplit_once('.')) {
            path = outer;
            found = self.places.get(path);
        }
        found
    }
}

struct Sorter<'a> {
    tree: Tree,
    reader: Reader,
    environment: Option<&'a Environment>,
    problems: &'a mut Vec<Problem>,
}

impl Sorter<'_> {
    fn root(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("executor" | "security", Value::Null) => {}
            ("executor", Value::Object(members)) => {
                members.into_iter().for_each(|(inner, value)| self.entry(&inner, &join(name, &inner), value));
            }
            ("security", Value::Object(members)) => {
                members.into_iter().for_each(|(inner, value)| self.security(&inner, value));
            }
            ("executor" | "security", _) => self.say(name, NO_MAPPING),
            (_, value) => self.entry(name, name, value),
        }
    }

    /// The published sidecar's spelling of two keys of `execution`.
    fn security(&mut self, name: &str, value: Value) {
        let path = join("security", name);
        match name {
            "allow_direct_execution" | "allowed_commands" => {
                let nested = Value::Object([(name.to_owned(), value)].into_iter().collect());
                self.policy("execution", "security", nested);
            }
            _ => self.say(&path, "unknown key; known here: allow_direct_execution, allowed_commands"),
        }
    }

    /// One key at the root or, where `path` says so, under `executor`.
    fn entry(&mut self, name: &str, path: &str, value: Value) {
        let at_root = name == path;
        let anywhere = at_root || ALSO_UNDER_EXECUTOR.contains(&name);
        // A dot is no part of a name: `tls.enabled` as one word is not `enabled` in `tls`.
        let own = if name.contains('.') { None } else { spelt(self.reader.own, path) };
        let own = own.or_else(|| spelt(self.reader.own, name).filter(|_| anywhere && !name.contains('.')));
        if let Some(key) = own {
            self.put(key, path, value);
        } else if is_policy(name) {
            self.policy(name, path, value);
        } else if anywhere && has_section(self.reader.own, name) {
            self.section(name, path, value);
        } else if name.contains('.') || !(self.foreign(path, path) || anywhere && self.foreign(name, path)) {
            let descriptive = at_root && DESCRIPTIVE_KEYS.contains(&name);
            if !descriptive {
                self.unknown(name, path, &self.names_beside(at_root), "");
            }
        }
    }

    fn section(&mut self, section: &str, path: &str, value: Value) {
        let members = match value {
            Value::Object(members) => members,
            Value::Null => return,
            _ => return self.say(path, NO_MAPPING),
        };
        for (name, value) in members {
            let (full, path) = (join(section, &name), join(path, &name));
            if let Some(key) = self.reader.own.iter().find(|key| key.name == full) {
                self.put(key, &path, value);
            } else if !self.foreign(&full, &path) {
                let known = self.names_in(section);
                self.unknown(&name, &path, &known, &format!("; known here: {}", known.join(", ")));
            }
        }
    }

    /// Whether this is another reader's key; where nobody else reads, it is refused.
    fn foreign(&mut self, name: &str, path: &str) -> bool {
        let others = self.reader.others;
        let Some(other) = others.iter().find(|it| spelt(it.keys, name).is_some() || has_section(it.keys, name)) else {
            return false;
        };
        if !self.reader.shared {
            self.say(path, other.refusal);
        }
        true
    }

    fn put(&mut self, key: &'static Key, path: &str, value: Value) {
        if value.is_null() && key.kind == Kind::Secrets && self.environment.is_some() {
            // A key that was meant and is missing must not turn into no key.
            return self.say(path, "is empty; set a key or remove it");
        }
        let value = self.filled(value, path, path, None, key.kind.is_secret());
        if value.is_null() {
            return;
        }
        let (setting, place) = (path.to_owned(), self.tree.places.get(path));
        match self.tree.settings.get(key.name) {
            None => {
                self.tree.settings.insert(key.name, Raw { value, setting, place });
            }
            Some(held) if same(&held.value, &value) => {}
            Some(held) => {
                let message = differs(path, &held.setting, held.place.as_ref());
                self.problems.push(Problem::new(key.name, message).at(place));
            }
        }
    }

    fn policy(&mut self, key: &str, path: &str, value: Value) {
        let value = self.filled(value, path, path, None, false);
        let mut policy = std::mem::take(&mut self.tree.policy);
        self.merge(&mut policy, key, value, (key, path));
        self.tree.policy = policy;
    }

    /// Puts `value` at `key`; the same setting written twice must say the same.
    fn merge(&mut self, target: &mut Map<String, Value>, key: &str, value: Value, (full, path): (&str, &str)) {
        match (target.get_mut(key), value) {
            (None | Some(Value::Null), value) => {
                target.insert(key.to_owned(), value);
                self.tree.origins.insert(full.to_owned(), path.to_owned());
            }
            (Some(_), Value::Null) => {}
            (Some(Value::Object(held)), Value::Object(members)) => {
                for (name, value) in members {
                    self.merge(held, &name, value, (&join(full, &name), &join(path, &name)));
                }
            }
            (Some(held), value) if same(held, &value) => {}
            (Some(_), _) => {
                let other = self.tree.spelt(full);
                let message = differs(path, &other, self.tree.places.get(&other).as_ref());
                self.problems.push(Problem::new(full, message).at(self.tree.places.get(path)));
            }
        }
    }

    /// With its variables. One that is missing leaves nothing, so that it is reported once.
    fn filled(&mut self, value: Value, key: &str, path: &str, item: Option<usize>, secret: bool) -> Value {
        let Some(environment) = self.environment else { return value };
        match value {
            Value::String(text) => expanded(&text, secret, environment).unwrap_or_else(|message| {
                let place = self.tree.places.get(path).or_else(|| self.tree.places.get(key));
                self.problems.push(Problem { key: key.to_owned(), message, item, place });
                Value::Null
            }),
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                let items: Vec<_> = items
                    .map(|(item, value)| self.filled(value, key, &member(path, item), Some(item), secret))
                    .collect();
                Value::Array(items)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| {
                    let path = join(path, &name);
                    let value = self.filled(value, &path, &path, None, secret);
                    (name, value)
                });
                Value::Object(members.collect())
            }
            value => value,
        }
    }

    /// `otherwise` is said where no known name is near.
    fn unknown(&mut self, name: &str, path: &str, known: &[&str], otherwise: &str) {
        let near = nearest(name, known.iter().copied());
        let hint = near.map_or_else(|| otherwise.to_owned(), |near| format!("; did you mean `{near}`?"));
        self.say(path, &format!("unknown key{hint}"));
    }

    /// What may stand at the root, or under `executor`.
    fn names_beside(&self, at_root: bool) -> Vec<&'static str> {
        let at = |spelling: &'static str| match at_root {
            true => spelling.split('.').next().filter(|first| *first != "executor"),
            false => spelling.strip_prefix("executor."),
        };
        let keys = self.tables().flatten().flat_map(|key| [key.name].into_iter().chain(key.aliases.iter().copied()));
        let mut names: Vec<_> = keys.filter_map(at).chain(POLICY_BLOCKS).collect();
        names.extend(if at_root { ["executor", "security"] } else { ALSO_UNDER_EXECUTOR });
        names
    }

    fn names_in(&self, section: &str) -> Vec<&'static str> {
        let names = self.tables().flatten().filter_map(|key| key.name.split_once('.'));
        let mut known: Vec<_> = names.filter(|(first, _)| *first == section).map(|(_, name)| name).collect();
        // Both sides may have a key of the same name.
        let mut seen = BTreeSet::new();
        known.retain(|name| seen.insert(*name));
        known
    }

    fn tables(&self) -> impl Iterator<Item = &'static [Key]> {
        let shared = self.reader.shared;
        let others = self.reader.others.iter().filter(move |_| shared).map(|other| other.keys);
        [self.reader.own].into_iter().chain(others)
    }

    fn say(&mut self, path: &str, message: &str) {
        self.problems.push(Problem::new(path, message).at(self.tree.places.get(path)));
    }
}

const POLICY_BLOCKS: [&str; 9] = [
    "execution",
    "filesystem",
    "network",
    "limits",
    "isolation",
    "guest",
    "pool",
    "max_concurrent_executions",
    "queue",
];

pub(crate) fn is_policy(name: &str) -> bool {
    POLICY_BLOCKS.contains(&name)
}

pub(crate) fn spelt(keys: &'static [Key], path: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == path || key.aliases.contains(&path))
}

pub(crate) fn has_section(keys: &'static [Key], name: &str) -> bool {
    keys.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}

fn overlay(held: &mut Map<String, Value>, members: Map<String, Value>) {
    for (name, value) in members {
        match (held.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::Object(held)), Value::Object(members)) => overlay(held, members),
            (_, value) => drop(held.insert(name, value)),
        }
    }
}

fn differs(path: &str, other: &str, place: Option<&Place>) -> String {
    let place = place.map_or_else(String::new, |place| format!(" (line {})", place.line));
    format!("`{path}` says something else than `{other}`{place}, the same setting; keep one")
}

/// `30` and `30.0` are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use codemode_types::Policy;

    use super::*;

    #[test]
    fn the_policys_blocks_are_those_of_the_policy() {
        let policy = Policy::default().to_value();
        let mut blocks: Vec<_> = policy.as_object().unwrap().keys().map(String::as_str).collect();
        blocks.sort_unstable();
        let mut known = POLICY_BLOCKS;
        known.sort_unstable();
        assert_eq!(blocks, known);
    }
}
