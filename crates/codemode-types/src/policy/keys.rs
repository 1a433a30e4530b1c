//! The policy's keys, described for people. A test compares them with the policy itself.

/// One key of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyKey {
    /// Dotted.
    pub name: &'static str,
    /// What a value is, in a word.
    pub kind: &'static str,
    pub about: &'static str,
}

const fn key(name: &'static str, kind: &'static str, about: &'static str) -> PolicyKey {
    PolicyKey { name, kind, about }
}

const SWITCH: &str = "true or false";
const SECONDS: &str = "seconds";
const WHOLE: &str = "whole number";
const SIZE: &str = "size";
const PATH: &str = "path";

/// In the order of the policy.
pub const POLICY_KEYS: &[PolicyKey] = &[
    key(
        "execution.allow_direct_execution",
        SWITCH,
        "Whether code may start programs; true where execution.allowed_commands names some",
    ),
    key("execution.allowed_commands", "list of names", "The commands that code may start, also from other commands"),
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
    key("network.mode", "none, restricted or all", "What code can reach: nothing, the domains below, or everything"),
    key(
        "network.allowed_domains",
        "list of domains",
        "Domains and addresses that code may reach; *.a.example is any below",
    ),
    key("network.blocked_domains", "list of domains", "Those that it may not, whatever is allowed"),
    key("network.ports", "list of ports", "The ports that it may reach"),
    key("network.allowed_networks", "list of networks", "Private networks that allowed names may lead to"),
    key("network.ca_file", PATH, "PEM certificates that programs inside trust"),
    key("network.max_connections", WHOLE, "Connections of one execution at once"),
    key("network.max_bytes", SIZE, "What one execution may send and receive together"),
    key("network.idle_timeout", SECONDS, "How long a connection may be silent"),
    key("limits.code_timeout", SECONDS, "Wall time of the code, without the time in which tool calls are pending"),
    key("limits.tool_timeout", SECONDS, "Time of each tool call"),
    key("limits.total_timeout", SECONDS, "Wall time of an execution, whatever happens"),
    key("limits.max_code_length", WHOLE, "Characters of code"),
    key("limits.memory_limit", SIZE, "Memory of one execution"),
    key("limits.cpus", "number", "Cores' worth of CPU time; CPU time in all is code_timeout times this"),
    key("limits.processes", WHOLE, "Processes and threads of one execution together"),
    key("limits.open_files", WHOLE, "Open files of one process"),
    key("limits.file_size", SIZE, "The size of one file"),
    key("limits.output_bytes", SIZE, "Output that is kept of each stream"),
    key("limits.result_bytes", SIZE, "The size of a result"),
    key("limits.value_bytes", SIZE, "The size of one tool value, either way"),
    key("limits.max_tool_calls", WHOLE, "Tool calls of one execution"),
    key("isolation.minimum", "none, container or full", "The weakest tier of isolation that is accepted"),
    key("isolation.require", "list of layers", "Layers for which no substitute is accepted"),
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
    key("guest.preload", "list of modules", "Modules that are imported once, before any execution"),
    key("pool.min", WHOLE, "Sandboxes that are always ready"),
    key("pool.max", WHOLE, "Sandboxes that may be ready at once; max_concurrent_executions"),
    key("max_concurrent_executions", WHOLE, "Executions at once; twice the number of cores"),
    key("queue", WHOLE, "Requests that may wait for a free place"),
];

#[cfg(test)]
mod tests {
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

    #[test]
    fn every_key_is_described() {
        let described: Vec<_> = POLICY_KEYS.iter().map(|key| key.name).collect();
        assert_eq!(described, leaves(&Policy::default().to_value(), ""));
    }
}
