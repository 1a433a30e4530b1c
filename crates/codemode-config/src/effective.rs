//! What a configuration comes to, key by key, for a person to read.

use std::collections::BTreeMap;

use codemode_types::{POLICY_KEYS, PolicyKind};
use serde_json::Value;

use crate::{
    ClientConfig, SidecarConfig,
    outline::{Entry, inline, outline},
    schema::spelt_size,
    side::Side,
};

/// A key and its value, which is `…` for a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    pub key: String,
    pub value: Value,
    /// The line of a file, a variable or an option; nothing for a default.
    pub origin: Option<String>,
}

impl SidecarConfig {
    /// Every key.
    pub fn effective(&self) -> Vec<Effective> {
        let mut document = self.to_value();
        document["api_key"] = if self.api_keys.0.is_empty() { Value::Null } else { "…".into() };
        if !document["host"].is_null() {
            document["listen"] = Value::Null;
        }
        effective(Side::Sidecar, &document, &self.origins)
    }
}

impl ClientConfig {
    /// Every key of its own, and what it says of the policy.
    pub fn effective(&self) -> Vec<Effective> {
        let mut document = self.to_value();
        document["executor_api_key"] = self.executor_api_key.as_ref().map_or(Value::Null, |_| "…".into());
        document["audit"] = document.pointer("/policy/audit").cloned().unwrap_or_default();
        effective(Side::Client, &document, &self.origins)
    }
}

fn effective(side: Side, document: &Value, origins: &BTreeMap<String, String>) -> Vec<Effective> {
    let of_key = |key: String| {
        let pointer = key.replace('.', "/");
        let of_policy = || document.pointer(&format!("/policy/{pointer}"));
        let value = document.pointer(&format!("/{pointer}")).or_else(of_policy)?.clone();
        let origin = origins.get(&key).cloned();
        Some(Effective { key, value, origin })
    };
    side.keys().into_iter().filter_map(|key| of_key(key.key)).collect()
}

/// As YAML, each value with its origin; what nobody set and has no default is left out.
pub fn shown(settings: &[Effective]) -> String {
    let size = |key: &str| POLICY_KEYS.iter().any(|it| it.name == key && matches!(it.kind, PolicyKind::Size(..)));
    let entry = |setting: &Effective| Entry {
        path: setting.key.clone(),
        value: match setting.value.as_u64() {
            Some(bytes) if size(&setting.key) => spelt_size(bytes),
            _ => inline(&setting.value),
        },
        origin: Some(setting.origin.clone().unwrap_or_else(|| "default".to_owned())),
        ..Entry::default()
    };
    outline(&settings.iter().filter(|setting| !setting.value.is_null()).map(entry).collect::<Vec<_>>())
}
