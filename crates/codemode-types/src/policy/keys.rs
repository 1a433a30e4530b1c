//! The policy's keys, described for people. A test compares them with the policy itself.

use super::PolicyKind;

/// One key of the policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyKey {
    /// Dotted.
    pub name: &'static str,
    pub kind: PolicyKind,
    pub about: &'static str,
}

const fn key(name: &'static str, kind: PolicyKind, about: &'static str) -> PolicyKey {
    PolicyKey { name, kind, about }
}

const SWITCH: PolicyKind = PolicyKind::Switch;
const SECONDS: PolicyKind = PolicyKind::Seconds;
const PATH: PolicyKind = PolicyKind::Path;
/// Of a folder or a buffer.
const SIZE: PolicyKind = PolicyKind::Size(4096, u64::MAX);
/// Of what must fit a frame.
const FRAMED: PolicyKind = PolicyKind::Size(4096, 1 << 30);

const fn whole(least: u64) -> PolicyKind {
    PolicyKind::Whole(least, u64::MAX)
}

const fn few(least: u64) -> PolicyKind {
    PolicyKind::Whole(least, u32::MAX as u64)
}

/// In the order of the policy.
pub const POLICY_KEYS: &[PolicyKey] = &[
    key(
        "execution.allow_direct_execution",
        SWITCH,
        "Whether code may start programs; true where execution.allowed_commands names some",
    ),
    key(
        "execution.allowed_commands",
        PolicyKind::Commands,
        "The commands that code may start, also from other commands",
    ),
    key("filesystem.workspace.mount", PATH, "The host folder that code sees as /workspace; without one it is empty"),
    key("filesystem.workspace.readonly", SWITCH, "Always true: /workspace cannot be written"),
    key("filesystem.sandbox.mount", PATH, "Always /sandbox, a private tmpfs of each execution"),
    key("filesystem.sandbox.readonly", SWITCH, "Always false: /sandbox can be written"),
    key("filesystem.sandbox.max_size", SIZE, "The size of /sandbox; 1 GiB, and never above the memory limit"),
    key(
        "filesystem.outputs.mount",
        PATH,
        "The host folder that receives the files of /outputs; without one they are listed and dropped",
    ),
    key("filesystem.outputs.readonly", SWITCH, "Always false: /outputs can be written"),
    key("filesystem.outputs.max_size", SIZE, "The size of /outputs"),
    key("filesystem.tmp.max_size", SIZE, "The size of /tmp"),
    key(
        "network.mode",
        PolicyKind::Word(&["none", "restricted", "all"]),
        "What code can reach: nothing, the domains below, or everything",
    ),
    key(
        "network.allowed_domains",
        PolicyKind::Domains,
        "Domains and addresses that code may reach; *.a.example is any below",
    ),
    key("network.blocked_domains", PolicyKind::Domains, "Those that it may not, whatever is allowed"),
    key("network.ports", PolicyKind::Ports, "The ports that it may reach"),
    key("network.allowed_networks", PolicyKind::Networks, "Private networks that allowed names may lead to"),
    key("network.ca_file", PATH, "PEM certificates that programs inside trust"),
    key("network.max_connections", PolicyKind::Whole(1, 1024), "Connections of one execution at once"),
    key("network.max_bytes", PolicyKind::Size(1, u64::MAX), "What one execution may send and receive together"),
    key("network.idle_timeout", SECONDS, "How long a connection may be silent"),
    key("limits.code_timeout", SECONDS, "Wall time of the code, without the time in which tool calls are pending"),
    key("limits.tool_timeout", SECONDS, "Time of each tool call"),
    key("limits.total_timeout", SECONDS, "Wall time of an execution, whatever happens"),
    key("limits.max_code_length", whole(0), "Characters of code"),
    key("limits.memory_limit", PolicyKind::Size(32 << 20, u64::MAX), "Memory of one execution"),
    key(
        "limits.cpus",
        PolicyKind::Number(1024.0),
        "Cores' worth of CPU time; CPU time in all is code_timeout times this",
    ),
    key("limits.processes", whole(2), "Processes and threads of one execution together"),
    key("limits.open_files", whole(32), "Open files of one process"),
    key("limits.file_size", SIZE, "The size of one file"),
    key("limits.output_bytes", SIZE, "Output that is kept of each stream"),
    key("limits.result_bytes", FRAMED, "The size of a result"),
    key("limits.value_bytes", FRAMED, "The size of one tool value, either way"),
    key("limits.max_tool_calls", whole(0), "Tool calls of one execution"),
    key(
        "isolation.minimum",
        PolicyKind::Word(&["none", "container", "full"]),
        "The weakest tier of isolation that is accepted",
    ),
    key("isolation.require", PolicyKind::Layers, "Layers for which no substitute is accepted"),
    key("isolation.allow_jit", SWITCH, "Lets code make memory executable, as numba, cffi callbacks and node do"),
    key(
        "isolation.allow_unix_sockets",
        SWITCH,
        "Lets code connect to Unix sockets by path where a kernel cannot tell them apart",
    ),
    key(
        "isolation.fresh_interpreter",
        SWITCH,
        "Starts an interpreter for each execution instead of forking one that is ready",
    ),
    key("guest.interpreter", PATH, "The Python that runs code; the embedding one, or python3 on PATH"),
    key("guest.preload", PolicyKind::Modules, "Modules that are imported once, before any execution"),
    key(
        "guest.environments",
        PolicyKind::Environments,
        "Other interpreters and preloads, which an execution asks for by name; each is started on its first use",
    ),
    key("pool.min", few(0), "Sandboxes that are always ready"),
    key("pool.max", few(0), "Sandboxes that may be ready at once; max_concurrent_executions"),
    key(
        "pool.environments_memory",
        SIZE,
        "Memory that interpreters of guest.environments may hold together; those unused for the longest end first",
    ),
    key("max_concurrent_executions", few(1), "Executions at once; twice the number of cores"),
    key("queue", few(0), "Requests that may wait for a free place"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::Policy;

    fn leaves(value: &Value, path: &str) -> Vec<String> {
        let Value::Object(members) = value else { return vec![path.to_owned()] };
        let inner = members.iter().map(|(name, value)| match path {
            "" => leaves(value, name),
            path => leaves(value, &format!("{path}.{name}")),
        });
        inner.flatten().collect()
    }

    /// What the reader says of one value.
    fn refused(key: &PolicyKey, value: &Value) -> bool {
        let mut policy =
            key.name.rsplit('.').fold(value.clone(), |inner, name| Value::from_iter([(name.to_owned(), inner)]));
        if key.name.starts_with("network.") && key.name != "network.mode" {
            policy["network"]["mode"] = "restricted".into();
        }
        if key.name == "pool.max" {
            policy["pool"]["min"] = 0.into();
        }
        Policy::from_value(&policy, Path::new("/")).is_err()
    }

    #[test]
    fn the_bounds_are_the_readers() {
        let check = |key: &PolicyKey, least: u64, most: u64| {
            let below = least.checked_sub(1).map_or(Value::from(-1), Value::from);
            assert!(refused(key, &below) && !refused(key, &least.into()), "{} from {least}", key.name);
            let above = most.checked_add(1).map_or(Value::from(1.8446744073709552e19), Value::from);
            assert!(refused(key, &above) && !refused(key, &most.into()), "{} to {most}", key.name);
        };
        for key in POLICY_KEYS {
            match key.kind {
                PolicyKind::Whole(least, most) | PolicyKind::Size(least, most) => check(key, least, most),
                PolicyKind::Number(most) => {
                    assert!(
                        !refused(key, &most.into()) && refused(key, &(most + 1.0).into()) && refused(key, &0.into())
                    );
                }
                PolicyKind::Seconds => {
                    assert!(!refused(key, &PolicyKind::LONGEST.into()) && refused(key, &0.into()), "{}", key.name);
                    assert!(refused(key, &(PolicyKind::LONGEST + 1).into()), "{}", key.name);
                }
                PolicyKind::Word(words) => {
                    assert!(words.iter().all(|word| !refused(key, &(*word).into())) && refused(key, &"other".into()));
                }
                PolicyKind::Switch => assert!(refused(key, &"on".into()) && refused(key, &1.into()), "{}", key.name),
                PolicyKind::Path => assert!(refused(key, &1.into()), "{}", key.name),
                list => {
                    assert!(refused(key, &"word".into()) && refused(key, &Value::from_iter([true])), "{list:?}");
                }
            }
        }
    }

    #[test]
    fn every_key_is_described() {
        let described: Vec<_> = POLICY_KEYS.iter().map(|key| key.name).collect();
        assert_eq!(described, leaves(&Policy::default().to_value(), ""));
    }
}
