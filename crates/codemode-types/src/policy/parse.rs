//! From a tree of keys (JSON, or YAML read as JSON) to a policy; reports every problem at once, up to a hundred.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Policy, PolicyError, words};
use crate::{Problem, suggest::nearest};

/// Problems told one by one. A client's request may hold millions of wrong keys, each with a sentence of its own.
const MAX_PROBLEMS: usize = 100;

/// Members of a wrong list that are looked at one by one, for the same reason.
const MAX_ITEMS: usize = 1000;

impl Policy {
    /// Reads a policy in the shape of the seeds' YAML. Relative mounts are resolved against `base`.
    pub fn from_value(value: &Value, base: &Path) -> Result<Self, PolicyError> {
        Self::from_value_over(&Self::default(), value, base)
    }

    /// As `from_value`, with `defaults` for the keys that are absent.
    pub(super) fn from_value_over(defaults: &Self, value: &Value, base: &Path) -> Result<Self, PolicyError> {
        let mut problems = Vec::new();
        let mut policy = read(value, &defaults.to_value(), &mut problems);
        if let Some(policy) = &policy {
            policy.validate(&mut problems);
        }
        match policy.take().filter(|_| problems.is_empty()) {
            Some(mut policy) => {
                policy.resolve_paths(base);
                Ok(policy)
            }
            None => Err(PolicyError { problems }),
        }
    }

    /// The policy as the tree that `from_value` reads.
    pub fn to_value(&self) -> Value {
        let mut policy = self.clone();
        // JSON has text only. A path that is none becomes one that is nowhere, which its reader says; no value at all would
        // be the default policy.
        for path in policy.paths() {
            *path = path.to_string_lossy().into_owned().into();
        }
        serde_json::to_value(policy).unwrap_or_default()
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let files = &mut self.filesystem;
        let paths = [&mut files.workspace.mount, &mut files.outputs.mount, &mut self.network.ca_file];
        paths.into_iter().flatten().chain(self.guest.interpreters()).chain([&mut files.sandbox.mount])
    }

    fn validate(&self, problems: &mut Vec<Problem>) {
        let found = &mut Findings(problems);
        let files = &self.filesystem;
        if !files.workspace.readonly {
            found
                .say("filesystem.workspace.readonly", "/workspace is always read-only; set it to true or leave it out");
        }
        if files.sandbox.readonly || files.outputs.readonly {
            found.say(
                "filesystem",
                "/sandbox and /outputs are always writable; set their readonly to false or leave it out",
            );
        }
        if files.sandbox.mount != Path::new("/sandbox") {
            found.say("filesystem.sandbox.mount", "only /sandbox, a private tmpfs per execution, is supported");
        }
        for (item, command) in self.execution.allowed_commands.iter().enumerate() {
            if ["", ".", ".."].contains(&command.as_str()) || command.contains(['/', '\0']) || command.starts_with('-')
            {
                found.item(
                    "execution.allowed_commands",
                    item,
                    &format!("`{command}` is not a command name; write names, not paths"),
                );
            }
        }
        // Without a mode that is one, nothing can be said of what depends on it.
        if !found.has("network") && !found.has("network.mode") {
            self.network.validate(found);
        }
        self.guest.validate(found);
        self.validate_limits(found);
    }

    fn validate_limits(&self, found: &mut Findings<'_>) {
        let limits = &self.limits;
        if !limits.cpus.is_finite() || limits.cpus <= 0.0 || limits.cpus > 1024.0 {
            found.say("limits.cpus", "must be above 0 and at most 1024");
        }
        if limits.memory_limit.bytes() < 32 << 20 {
            found.say("limits.memory_limit", "must be at least 32Mi, which the interpreter itself needs");
        }
        if limits.processes < 2 {
            found.say("limits.processes", "must be at least 2: the code and what it waits for");
        }
        if limits.open_files < 32 {
            found.say("limits.open_files", "must be at least 32, which the interpreter itself needs");
        }
        for (key, size) in [
            ("filesystem.sandbox.max_size", self.filesystem.sandbox.size()),
            ("filesystem.outputs.max_size", self.filesystem.outputs.max_size),
            ("filesystem.tmp.max_size", self.filesystem.tmp.max_size),
            ("pool.environments_memory", self.pool.environments_memory),
            ("limits.file_size", limits.file_size),
            ("limits.output_bytes", limits.output_bytes),
            ("limits.result_bytes", limits.result_bytes),
            ("limits.value_bytes", limits.value_bytes),
        ] {
            if size.bytes() < 4096 {
                found.say(key, "must be at least 4096 bytes");
            }
        }
        // Frame lengths are 32 bits, and a value must fit a frame with its head.
        for (key, size) in [("limits.result_bytes", limits.result_bytes), ("limits.value_bytes", limits.value_bytes)] {
            if size.bytes() > 1 << 30 {
                found.say(key, "must be at most 1Gi");
            }
        }
        if self.max_concurrent_executions == Some(0) {
            found.say("max_concurrent_executions", "must be at least 1");
        }
        if self.pool.max.is_some_and(|max| max < self.pool.min) {
            found.say("pool.max", "must not be below pool.min");
        }
    }

    fn resolve_paths(&mut self, base: &Path) {
        let files = &mut self.filesystem;
        for mount in [&mut files.workspace.mount, &mut files.outputs.mount].into_iter().flatten() {
            *mount = base.join(&*mount);
        }
        self.network.resolve(base);
        self.guest.resolve(base);
    }
}

/// What is wrong with a policy whose values are of the right types.
pub(super) struct Findings<'a>(&'a mut Vec<Problem>);

impl Findings<'_> {
    pub(super) fn say(&mut self, key: &str, message: &str) {
        self.push(Problem::new(key, message));
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|problem| problem.key == key)
    }

    /// About one member of a list.
    pub(super) fn item(&mut self, key: &str, item: usize, message: &str) {
        self.push(Problem::new(key, message).in_item(item));
    }

    fn push(&mut self, problem: Problem) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(problem);
        }
    }
}

/// The keys that exist are exactly those of a policy written out, here the one with the defaults. What cannot be read
/// leaves the default.
fn read(value: &Value, defaults: &Value, problems: &mut Vec<Problem>) -> Option<Policy> {
    unknown_keys(value, defaults, "", problems);
    sectionwise(value, defaults, problems)
}

fn unknown_keys(value: &Value, known: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Value::Object(known) = known else { return };
    let members = match value {
        Value::Object(members) => members,
        Value::Null => return,
        _ => return problems.push(Problem::new(path, "must be a mapping of keys to values")),
    };
    for (name, member) in members {
        if problems.len() >= MAX_PROBLEMS {
            return;
        }
        let key = join(path, name);
        match known.get(name) {
            Some(known) => unknown_keys(member, known, &key, problems),
            None => {
                let hint = match nearest(name, known.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
                };
                problems.push(Problem::new(key, format!("unknown key; {hint}")));
            }
        }
    }
}

/// Reads leaf by leaf, so that each bad value is reported with its own key.
fn sectionwise(value: &Value, known: &Value, problems: &mut Vec<Problem>) -> Option<Policy> {
    let mut merged = known.clone();
    overlay(&mut merged, value, "", problems);
    match from_value(&merged) {
        Ok(policy) => Some(policy),
        Err(message) => {
            problems.push(Problem::new("policy", message));
            None
        }
    }
}

fn overlay(target: &mut Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    if let (Value::Object(target), Value::Object(members)) = (&mut *target, value) {
        for (name, member) in members {
            if let Some(slot) = target.get_mut(name) {
                overlay(slot, member, &join(path, name), problems);
            }
        }
        return;
    }
    if value.is_null() || target.is_object() {
        return; // `mount:` with nothing behind it means the default, and what should be a mapping has been said
    }
    match from_value::<Policy>(&nested(path, value)) {
        Ok(_) => *target = value.clone(),
        Err(message) => match wrong_items(path, value) {
            items if items.is_empty() => problems.push(Problem::new(path, message)),
            items => problems.extend(items),
        },
    }
}

/// The members of a list that are wrong by themselves.
fn wrong_items(path: &str, value: &Value) -> Vec<Problem> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let wrong = items.iter().take(MAX_ITEMS).enumerate().filter_map(|(item, value)| {
        let alone = nested(path, &Value::Array(vec![value.clone()]));
        from_value::<Policy>(&alone).err().map(|message| Problem::new(path, message).in_item(item))
    });
    wrong.take(MAX_PROBLEMS).collect()
}

/// `a.b` + value → `{"a": {"b": value}}`.
fn nested(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, name| Value::Object([(name.to_owned(), inner)].into_iter().collect()))
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| words::plain(&error.to_string()))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ByteSize, EnvironmentPolicy, NetworkMode};

    fn parse(value: Value) -> Result<Policy, PolicyError> {
        Policy::from_value(&value, Path::new("/base"))
    }

    #[test]
    fn the_seeds_basic_block_reads() {
        let policy = parse(json!({
            "execution": {"allow_direct_execution": true, "allowed_commands": ["grep", "bash"]},
            "filesystem": {
                "workspace": {"mount": "./project_files", "readonly": true},
                "sandbox": {"mount": "/sandbox", "readonly": false, "max_size": "1GB"},
                "outputs": {"mount": "./outputs", "readonly": false}
            },
            "network": {"mode": "none"},
            "limits": {"code_timeout": 30, "max_code_length": 10000, "memory_limit": "512Mi"}
        }))
        .unwrap();
        assert_eq!(policy.filesystem.workspace.mount.as_deref(), Some(Path::new("/base/./project_files")));
        assert_eq!(policy.limits.memory_limit, ByteSize::mib(512));
        assert_eq!(policy.limits.max_code_length, 10_000);
        assert_eq!(policy.network.mode, NetworkMode::None);
        assert!(policy.direct_execution());
    }

    #[test]
    fn every_problem_is_reported_with_its_key() {
        let error = parse(json!({"limits": {"memory_limt": "1g"}, "netwrok": {}})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "limits.memory_limt: unknown key; did you mean `memory_limit`?\nnetwrok: unknown key; did you mean `network`?"
        );
        let error = parse(json!({"limits": {"memory_limit": "lots", "code_timeout": -1}})).unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["limits.memory_limit", "limits.code_timeout"]);
    }

    #[test]
    fn a_flood_of_problems_is_not_told_one_by_one() {
        let keys = (0..10_000).map(|number| (format!("k{number}"), json!(1)));
        let keys = Value::Object(keys.collect());
        assert_eq!(parse(keys).unwrap_err().problems.len(), 100);
        let commands = json!({"execution": {"allowed_commands": vec![""; 10_000]}});
        assert_eq!(parse(commands).unwrap_err().problems.len(), 100);
    }

    /// Any path: a policy that is lost for one would be the default, without the others' bounds.
    #[test]
    fn a_path_that_is_no_text_costs_nothing_else() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let odd = || PathBuf::from(OsStr::from_bytes(b"/odd\xff"));
        let names = ["workspace", "outputs", "ca_file", "interpreter", "environment", "sandbox"];
        for (number, name) in names.into_iter().enumerate() {
            let mut policy = Policy::default();
            policy.limits.processes = 7;
            policy.guest.environments = vec![EnvironmentPolicy { name: "a".into(), ..EnvironmentPolicy::default() }];
            *[
                policy.filesystem.workspace.mount.get_or_insert_default(),
                policy.filesystem.outputs.mount.get_or_insert_default(),
                policy.network.ca_file.get_or_insert_default(),
                policy.guest.interpreter.get_or_insert_default(),
                policy.guest.environments[0].interpreter.get_or_insert_default(),
                &mut policy.filesystem.sandbox.mount,
            ][number] = odd();
            let value = policy.to_value();
            assert_eq!(value["limits"]["processes"], 7, "{name}");
            assert!(value.to_string().contains("/odd\u{fffd}"), "{name}");
        }
    }

    #[test]
    fn the_default_policy_survives_its_own_text() {
        assert_eq!(parse(Policy::default().to_value()).unwrap(), Policy::default());
        assert_eq!(parse(Value::Null).unwrap(), Policy::default());
    }

    #[test]
    fn domains_without_a_network_are_refused() {
        let domains = json!({"allowed_domains": ["*.github.com"], "blocked_domains": ["malware.com"], "ports": [443]});
        let error = parse(json!({"network": domains})).unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["network.allowed_domains", "network.blocked_domains", "network.ports"]);
        assert!(error.problems[0].message.starts_with("has no effect while network.mode is none"), "{error}");
        let mut restricted = domains;
        restricted["mode"] = json!("restricted");
        assert_eq!(parse(json!({"network": restricted})).unwrap().network.ports, [443]);
    }

    #[test]
    fn wrong_kinds_are_named_in_plain_words() {
        let error = parse(json!({
            "limits": {"cpus": "two", "processes": 1.5, "code_timeout": [1]},
            "execution": {"allowed_commands": "ls", "allow_direct_execution": "yes"},
            "network": {"mode": "some", "ports": [70000]},
            "filesystem": {"workspace": {"mount": 5}},
            "queue": -1
        }))
        .unwrap_err();
        let mut lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "execution.allow_direct_execution: expected true or false, found the text \"yes\"",
                "execution.allowed_commands: expected a list, found the text \"ls\"",
                "filesystem.workspace.mount: expected a path, found the number 5",
                "limits.code_timeout: expected a number, found a list",
                "limits.cpus: expected a number, found the text \"two\"",
                "limits.processes: expected a whole number that is not below 0, found the number 1.5",
                "network.mode: unknown word `some`, expected one of `none`, `restricted`, `all`",
                "network.ports: expected a whole number from 0 to 65535, found the number 70000",
                "queue: expected a whole number that is not below 0, found the number -1",
            ]
        );
    }

    #[test]
    fn direct_execution_off_wins_over_a_list() {
        let policy =
            parse(json!({"execution": {"allow_direct_execution": false, "allowed_commands": ["ls"]}})).unwrap();
        assert!(!policy.direct_execution());
    }

    #[test]
    fn contradictions_are_refused() {
        // The seeds' own remedy for a missing subprocess module: it can be imported, and every command is refused.
        assert!(parse(json!({"execution": {"allow_direct_execution": true}})).unwrap().direct_execution());
        assert!(parse(json!({"execution": {"allowed_commands": ["/bin/ls"]}})).is_err());
        assert!(parse(json!({"filesystem": {"workspace": {"readonly": false}}})).is_err());
    }
}
