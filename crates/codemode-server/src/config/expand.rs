//! `${VAR}` and `${VAR:-default}` in the file's values; `$${` is a literal `${`.

use std::collections::BTreeMap;

use codemode_types::Problem;
use serde_json::Value;

use super::problem;

/// Expands every string under `value`. Values are expanded after the YAML is read, so a variable can never add keys.
pub(super) fn expand(
    value: &mut Value,
    path: &str,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                expand(member, &path, environment, problems);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| expand(item, path, environment, problems)),
        Value::String(text) if text.contains("${") => match expanded(text, environment) {
            Ok(full) => *value = typed(text, full, path),
            Err(message) => problems.push(problem(path, message)),
        },
        _ => {}
    }
}

fn expanded(text: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let mut full = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            full.push_str(&rest[..start]);
            full.push('{');
            rest = &rest[start + 2..];
            continue;
        }
        full.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or("`${` without its `}`")?;
        full.push_str(&lookup(&inner[..end], environment)?);
        rest = &inner[end + 1..];
    }
    full.push_str(rest);
    Ok(full)
}

/// As in a shell: the default also stands in for a variable that is set but empty.
fn lookup(expression: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`${{{expression}}}` is not a variable: write ${{NAME}} or ${{NAME:-default}}"));
    }
    match (environment.get(name), default) {
        (Some(value), None) => Ok(value.clone()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.clone()),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("the environment variable {name} is not set; write ${{{name}:-…}} for a default")),
    }
}

/// `limits.code_timeout: ${T}` means a number; a key of digits stays text.
fn typed(template: &str, full: String, path: &str) -> Value {
    let whole = template.starts_with("${") && template.find('}') == Some(template.len() - 1);
    let secret = path.ends_with("api_key");
    match full.as_str() {
        "true" if whole && !secret => Value::Bool(true),
        "false" if whole && !secret => Value::Bool(false),
        text if whole && !secret => match text.parse::<serde_json::Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(full),
        },
        _ => Value::String(full),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(mut value: Value) -> (Value, Vec<String>) {
        let environment = [("T", "5"), ("EMPTY", ""), ("NAME", "grep")].map(|(k, v)| (k.into(), v.into())).into();
        let mut problems = Vec::new();
        expand(&mut value, "", &environment, &mut problems);
        (value, problems.into_iter().map(|it| format!("{}: {}", it.key, it.message)).collect())
    }

    #[test]
    fn variables_and_defaults() {
        let (value, problems) = run(json!({
            "a": "${T}", "b": "${EMPTY:-x}", "c": "${EMPTY}", "d": ["${NAME}", "x${T}y"], "e": "$${T}",
            "api_key": "${T}", "f": "${NO:-true}"
        }));
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            value,
            json!({"a": 5, "b": "x", "c": "", "d": ["grep", "x5y"], "e": "${T}", "api_key": "5", "f": true})
        );
    }

    #[test]
    fn unset_and_malformed_are_named() {
        let (_, problems) = run(json!({"a": {"b": "${NO}"}, "c": "${T", "d": "${a b}"}));
        assert_eq!(problems.len(), 3);
        assert!(problems[0].starts_with("a.b: the environment variable NO is not set"), "{problems:?}");
    }
}
