//! API keys as text, before they become digests.

use serde_json::Value;

/// Two, so that a new key can be rolled out while the old one still holds.
const MAX_KEYS: usize = 2;

/// A key, or a list of at most two.
pub(super) fn from_value(value: &Value) -> Result<Vec<String>, String> {
    let keys = match value {
        Value::String(key) => vec![key.clone()],
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or("must be text, or a list of texts")?,
        Value::Number(_) => return Err("must be text: put it in quotes".into()),
        _ => return Err("must be text, or a list of texts".into()),
    };
    checked(keys)
}

/// One key a line, as a secret file holds them.
pub(super) fn from_text(text: &str) -> Result<Vec<String>, String> {
    checked(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn checked(keys: Vec<String>) -> Result<Vec<String>, String> {
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(format!("must hold 1 or {MAX_KEYS} keys"));
    }
    // What a header can carry; a key that no client could send would lock everybody out.
    match keys.iter().all(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())) {
        true => Ok(keys),
        false => Err("a key must be printable ASCII without spaces, and not empty".into()),
    }
}
