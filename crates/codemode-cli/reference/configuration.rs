//! docs/reference/configuration.md: each key with its rule, its default and the other ways to give it.

use codemode_config::{ClientConfig, DescribedKey, SidecarConfig};
use codemode_types::{ByteSize, POLICY_KEYS, PolicyKind};
use serde_json::Value;

use super::{Page, code, table};

const INTRODUCTION: &str = include_str!("configuration.md");

const CLIENT: &str = "\
## The client

How a client reaches an executor: `ClientConfig` in Python, `ClientOptions::from_config` in Rust, `codemode run`. Its file may
hold the policy as well. With an executor's URL that is a request to narrow, without one it is the policy of the private
executor.
";

const SIDECAR: &str = "\
## The executor

What `codemode serve` is besides its policy. An executor is called a sidecar where it serves one application; its class in
Python is `SidecarConfig`.
";

const POLICY: &str = "\
## The policy

What executed code may do. The policy of `codemode serve` is the ceiling; a client's can only narrow it. Variables and options
are those of the executor.
";

/// The options of commands, by the anchor of the key that they give. A test looks for each in the command line.
pub(crate) const OPTIONS: &[(&str, &str, &str)] = &[
    ("client.executor_url", "run", "url"),
    ("client.executor_api_key", "run", "api-key-file"),
    ("client.tls.ca_file", "run", "tls-ca"),
    ("client.tls.client_cert_file", "run", "tls-cert"),
    ("client.tls.client_key_file", "run", "tls-key"),
    ("sidecar.host", "serve", "host"),
    ("sidecar.port", "serve", "port"),
    ("sidecar.listen", "serve", "listen"),
    ("sidecar.log_level", "serve", "log-level"),
    ("sidecar.tls.cert_file", "serve", "tls-cert"),
    ("sidecar.tls.key_file", "serve", "tls-key"),
    ("sidecar.tls.ca_file", "serve", "tls-client-ca"),
    ("execution.allowed_commands", "run", "allow"),
    ("filesystem.workspace.mount", "run", "workspace"),
    ("filesystem.outputs.mount", "run", "outputs"),
    ("limits.code_timeout", "run", "timeout"),
];

pub(crate) fn page() -> Page {
    let parts = [
        (CLIENT, "client.", own(ClientConfig::keys())),
        (SIDECAR, "sidecar.", own(SidecarConfig::keys())),
        (POLICY, "", SidecarConfig::keys().into_iter().filter(is_policy).collect()),
    ];
    let sections = parts.map(|(introduction, prefix, keys)| {
        let keys: Vec<String> = keys.iter().map(|key| section(key, prefix)).collect();
        format!("{introduction}\n{}", keys.join("\n"))
    });
    Page::new("reference/configuration.md", &format!("{INTRODUCTION}\n{}", sections.join("\n")))
}

/// Where a setting is described: the policy's are meant first, then the executor's.
pub(crate) fn anchor(key: &str) -> Option<String> {
    let of = |prefix: &str, keys: Vec<DescribedKey>| {
        let found = keys.into_iter().find(|known| known.key == key || known.aliases.iter().any(|alias| alias == key));
        found.map(|known| if is_policy(&known) { known.key } else { format!("{prefix}{}", known.key) })
    };
    of("sidecar.", SidecarConfig::keys()).or_else(|| of("client.", ClientConfig::keys()))
}

fn own(keys: Vec<DescribedKey>) -> Vec<DescribedKey> {
    keys.into_iter().filter(|key| !is_policy(key)).collect()
}

fn is_policy(key: &DescribedKey) -> bool {
    POLICY_KEYS.iter().any(|known| known.name == key.key)
}

fn section(key: &DescribedKey, prefix: &str) -> String {
    let name = &key.key;
    let anchor = format!("{prefix}{name}");
    let list = |names: &[String]| names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    let options: Vec<String> = OPTIONS
        .iter()
        .filter(|(known, ..)| *known == anchor)
        .map(|(_, command, option)| code(&format!("codemode {command} --{option}")))
        .collect();
    let rows = [
        ("Value", rule(key)),
        ("Default", default(key)),
        ("Variables", list(&key.variables)),
        ("Option", options.join(", ")),
        ("Also written", list(&key.aliases)),
    ];
    let rows: Vec<(&str, String)> = rows.into_iter().filter(|(_, what)| !what.is_empty()).collect();
    format!("<a id=\"{anchor}\"></a>\n\n### `{name}`\n\n{}.\n\n{}", key.about, table(&rows))
}

fn rule(key: &DescribedKey) -> String {
    if let Some(known) = POLICY_KEYS.iter().find(|known| known.name == key.key) {
        return rule_of_policy(known.kind);
    }
    let words = |words: &[Value]| words.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>().join(", ");
    match key.allowed.as_array().map(Vec::as_slice) {
        Some([least, Value::Null]) => format!("{}, {least} or more", key.kind),
        Some([Value::Number(least), Value::Number(most)]) => {
            let plain = |number: &serde_json::Number| number.to_string().trim_end_matches(".0").to_owned();
            format!("{} from {} to {}", key.kind, plain(least), plain(most))
        }
        Some(allowed) if key.kind == "url" => format!("{} with one of {}", key.kind, words(allowed)),
        Some(allowed) => format!("one of {}", words(allowed)),
        None if key.kind == "seconds" => "seconds above 0".into(),
        None => key.kind.clone(),
    }
}

fn rule_of_policy(kind: PolicyKind) -> String {
    let size = |bytes: u64| ByteSize(bytes).to_string();
    match kind {
        PolicyKind::Seconds => format!("seconds above 0, to {} (a year)", PolicyKind::LONGEST),
        PolicyKind::Whole(least, most) if most >= u64::from(u32::MAX) => format!("whole number, {least} or more"),
        PolicyKind::Whole(least, most) => format!("whole number from {least} to {most}"),
        PolicyKind::Number(most) => format!("number above 0, to {most}"),
        PolicyKind::Size(least, u64::MAX) => format!("size, {} or more", size(least)),
        PolicyKind::Size(least, most) => format!("size from {} to {}", size(least), size(most)),
        PolicyKind::Word(words) => {
            format!("one of {}", words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", "))
        }
        other => other.describe(),
    }
}

fn default(key: &DescribedKey) -> String {
    match &key.default {
        Value::Null => String::new(),
        Value::String(text) => code(text),
        Value::Array(members) if members.is_empty() => "none".into(),
        Value::Number(bytes) if key.kind == "size" => {
            bytes.as_u64().map(|bytes| ByteSize(bytes).to_string()).unwrap_or_default()
        }
        other => code(&other.to_string()),
    }
}
