//! From the YAML file to one tree of settings, whichever spelling and place the file uses for each.

use std::{collections::BTreeMap, fs, path::Path};

use codemode_types::{Policy, Problem, nearest};
use serde_json::{Map, Value};

use super::{ConfigError, audit, expand::expand, problem, tls};

/// A file's settings: the policy in the shape `Policy::from_value` reads, and the server's own keys.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) policy: Map<String, Value>,
    pub(super) server: Map<String, Value>,
}

/// The daemon's own keys. `api_key` may be a list of two while keys are rotated.
const SERVER_KEYS: [&str; 6] = ["host", "port", "listen", "api_key", "log_level", "drain_timeout"];

/// Keys of the other readers of a shared file: they take effect there.
const CLIENT_KEYS: [&str; 6] =
    ["executor_url", "executor_timeout", "timeout", "retry", "observability", "tls_cert_path"];

/// Keys of the client under `executor:`.
const EXECUTOR_CLIENT_KEYS: [&str; 2] = ["url", "timeout"];

const NOT_A_POLICY_SERVER: &str = "is a setting of `codemode serve`, in its configuration file; an embedded executor takes a policy only, so leave it out";
const NOT_A_POLICY_CLIENT: &str = "is a setting of the client, in ClientConfig or its configuration file; an embedded executor takes a policy only, so leave it out";

/// Keys that only describe, and so take effect nowhere.
const DESCRIPTIVE_KEYS: [&str; 2] = ["project", "framework"];

const NO_DIAL_BACK: &str = "the dial-back adapter is not available yet: tool calls ride the client's own connection";

/// Reads a whole configuration.
pub(super) fn read(
    path: &Path,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Result<Tree, ConfigError> {
    let mut value = parse(path)?;
    expand(&mut value, "", environment, problems);
    Ok(sorted(value, Scope::Everything, problems))
}

/// Reads what a file says to an embedded executor and leaves everything else in it to its other readers, unexpanded.
pub(super) fn read_embedded(
    path: &Path,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Result<Tree, ConfigError> {
    let mut value = parse(path)?;
    drop_foreign(&mut value);
    if let Some(executor) = value.get_mut("executor") {
        drop_foreign(executor);
    }
    expand(&mut value, "", environment, problems);
    Ok(sorted(value, Scope::Everything, problems))
}

/// What was written for an embedded executor. It has no other readers, so what it does not take is refused.
pub(super) fn only_embedded(value: Value, problems: &mut Vec<Problem>) -> Tree {
    sorted(value, Scope::PolicyOnly, problems)
}

fn drop_foreign(value: &mut Value) {
    const ALSO: [&str; 6] =
        ["executor_api_key", tls::KEY, "tls_enabled", "url", "main_app_grpc_target", "callback_tls"];
    if let Value::Object(members) = value {
        members.retain(|key, _| ![&SERVER_KEYS[..], &CLIENT_KEYS, &ALSO].concat().contains(&key.as_str()));
    }
}

fn parse(path: &Path) -> Result<Value, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let blank = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    match text.lines().all(blank) {
        true => Ok(Value::Null),
        // Without the lines around the place: one of them may hold a key, and this goes to the log.
        false => serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::Yaml { path: path.into(), message: error.without_snippet().to_string() }),
    }
}

/// Every setting of `value` in its one place.
fn sorted(value: Value, scope: Scope, problems: &mut Vec<Problem>) -> Tree {
    let mut sorter = Sorter { tree: Tree::default(), scope, origins: BTreeMap::new(), problems };
    match value {
        Value::Null => {}
        Value::Object(members) => members.into_iter().for_each(|(key, value)| sorter.root(&key, value)),
        _ => sorter.problems.push(problem("configuration", "must be a mapping of keys to values")),
    }
    sorter.tree
}

/// Which settings take effect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Everything,
    PolicyOnly,
}

struct Sorter<'a> {
    tree: Tree,
    scope: Scope,
    /// Where in the file the setting of each place came from.
    origins: BTreeMap<String, String>,
    problems: &'a mut Vec<Problem>,
}

impl Sorter<'_> {
    fn root(&mut self, key: &str, value: Value) {
        match key {
            "executor" => self.executor(value),
            "security" => self.security(value),
            "executor_api_key" => self.put_server("api_key", key, value),
            tls::KEY => self.put_server(key, key, value),
            "tls_enabled" => self.tls_enabled(key, value),
            audit::KEY => self.audit(key, value),
            "main_app_grpc_target" | "callback_tls" => self.say(key, NO_DIAL_BACK),
            _ if SERVER_KEYS.contains(&key) => self.put_server(key, key, value),
            _ if CLIENT_KEYS.contains(&key) => self.client_key(key),
            _ if DESCRIPTIVE_KEYS.contains(&key) => {}
            _ => self.policy(key, key, value),
        }
    }

    fn executor(&mut self, value: Value) {
        let members = match value {
            Value::Object(members) => members,
            Value::Null => return,
            _ => return self.say("executor", "must be a mapping of keys to values"),
        };
        for (name, value) in members {
            let path = format!("executor.{name}");
            match name.as_str() {
                "api_key" => self.put_server("api_key", &path, value),
                tls::KEY => self.put_server(tls::KEY, &path, value),
                audit::KEY => self.audit(&path, value),
                name if EXECUTOR_CLIENT_KEYS.contains(&name) => self.client_key(&path),
                name => self.policy(name, &path, value),
            }
        }
    }

    /// The published sidecar's spelling of two keys of `execution`.
    fn security(&mut self, value: Value) {
        let Value::Object(members) = value else { return self.say("security", "must be a mapping of keys to values") };
        for (name, value) in members {
            match name.as_str() {
                "allow_direct_execution" | "allowed_commands" => {
                    let nested = Value::Object([(name, value)].into_iter().collect());
                    self.policy("execution", "security", nested);
                }
                _ => self.say(
                    &format!("security.{name}"),
                    "unknown key; known here: allow_direct_execution, allowed_commands",
                ),
            }
        }
    }

    /// The flat spelling of `tls.enabled`.
    fn tls_enabled(&mut self, path: &str, value: Value) {
        if self.scope == Scope::PolicyOnly {
            return self.say(path, NOT_A_POLICY_SERVER);
        }
        let block = self.tree.server.entry(tls::KEY).or_insert(Value::Null);
        if block.is_null() {
            *block = Value::Object(Map::new());
        }
        // Anything but a mapping is a problem that is reported where the block is read.
        if let Value::Object(block) = block {
            let mut merger = Merger { origins: &mut self.origins, problems: self.problems };
            merger.merge(block, "enabled", value, Place { full: "tls.enabled", path });
        }
    }

    fn policy(&mut self, key: &str, path: &str, value: Value) {
        let known = Policy::default().to_value();
        if known.get(key).is_none() {
            let names = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
            let near = nearest(key, names.chain(SERVER_KEYS).chain(["executor", tls::KEY, audit::KEY]));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return self.say(path, &format!("unknown key{hint}"));
        }
        let mut merger = Merger { origins: &mut self.origins, problems: self.problems };
        merger.merge(&mut self.tree.policy, key, value, Place { full: key, path });
    }

    fn put_server(&mut self, key: &str, path: &str, value: Value) {
        if self.scope == Scope::PolicyOnly {
            return self.say(path, NOT_A_POLICY_SERVER);
        }
        self.put(key, path, value);
    }

    /// Not of the policy, and yet every executor's.
    fn audit(&mut self, path: &str, value: Value) {
        self.put(audit::KEY, path, value);
    }

    fn put(&mut self, key: &str, path: &str, value: Value) {
        let mut merger = Merger { origins: &mut self.origins, problems: self.problems };
        merger.merge(&mut self.tree.server, key, value, Place { full: key, path });
    }

    fn client_key(&mut self, path: &str) {
        if self.scope == Scope::PolicyOnly {
            self.say(path, NOT_A_POLICY_CLIENT);
        }
    }

    fn say(&mut self, key: &str, message: &str) {
        self.problems.push(problem(key, message));
    }
}

/// A setting's own name, and how the file spells it.
#[derive(Clone, Copy)]
struct Place<'a> {
    full: &'a str,
    path: &'a str,
}

struct Merger<'a> {
    origins: &'a mut BTreeMap<String, String>,
    problems: &'a mut Vec<Problem>,
}

impl Merger<'_> {
    /// Puts `value` at `key`; the same setting written twice must say the same.
    fn merge(&mut self, target: &mut Map<String, Value>, key: &str, value: Value, place: Place<'_>) {
        match (target.get_mut(key), value) {
            (None | Some(Value::Null), value) => {
                target.insert(key.to_owned(), value);
                self.origins.insert(place.full.to_owned(), place.path.to_owned());
            }
            (Some(_), Value::Null) => {}
            (Some(Value::Object(held)), Value::Object(members)) => {
                for (name, member) in members {
                    let (full, path) = (format!("{}.{name}", place.full), format!("{}.{name}", place.path));
                    self.merge(held, &name, member, Place { full: &full, path: &path });
                }
            }
            (Some(held), value) if same(held, &value) => {}
            (Some(_), _) => {
                let other = self.origin(place.full);
                let message =
                    format!("`{}` says something else than `{other}`, the same setting; keep one", place.path);
                self.problems.push(problem(place.full, message));
            }
        }
    }

    /// How the file spells what holds so far, which may have come with a whole block.
    fn origin(&self, full: &str) -> String {
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
}

/// `30` and `30.0` are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
