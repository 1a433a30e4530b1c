//! `${VAR}` and `${VAR:-default}` in the file's values; `$${` is a literal `${`.

use codemode_types::Problem;
use serde_json::{Number, Value};

use crate::environment::Environment;

/// A value with its variables filled in. Values are expanded after the YAML is read, so a variable can never add keys.
/// A number or a truth value that comes from a variable is one; what is secret stays text.
pub(crate) fn expanded(text: &str, secret: bool, environment: &Environment) -> Result<Value, String> {
    if !text.contains("${") {
        return Ok(text.into());
    }
    let full = filled(text, environment)?;
    let whole = text.starts_with("${") && text.find('}') == Some(text.len() - 1);
    Ok(if whole && !secret { typed(full) } else { Value::String(full) })
}

fn typed(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<Number>() {
            // Digits that no integer holds stay text: they are a word of digits, and rounded they would be another.
            Ok(number) if !number.is_f64() || text.contains(['.', 'e', 'E']) => Value::Number(number),
            _ => Value::String(text),
        },
    }
}

fn filled(text: &str, environment: &Environment) -> Result<String, String> {
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
fn lookup(expression: &str, environment: &Environment) -> Result<String, String> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`${{{expression}}}` is not a variable: write ${{NAME}} or ${{NAME:-default}}"));
    }
    if default.is_some_and(|default| default.contains("${")) {
        // It would end at the first `}` and be used as it is written, for a key as well.
        return Err(format!("the default of ${{{name}}} holds a variable, which is not filled in; write a plain text"));
    }
    match (environment.get(name), default) {
        (Some(value), None) => Ok(value.to_owned()),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value.to_owned()),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("{UNSET}{name} is not set; write ${{{name}:-…}} for a default")),
    }
}

const UNSET: &str = "the environment variable ";

/// Whether a problem is no more than that a file needs a variable which this environment has not.
pub fn needs_variable(problem: &Problem) -> bool {
    problem.message.starts_with(UNSET)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment() -> Environment {
        let variables = [("T", "5"), ("EMPTY", ""), ("NAME", "grep")].map(|(name, value)| (name.into(), value.into()));
        Environment::new(&variables.into(), None, &mut Vec::new())
    }

    #[test]
    fn variables_and_defaults() {
        for (text, value) in [
            ("${T}", json!(5)),
            ("${EMPTY:-x}", json!("x")),
            ("${EMPTY}", json!("")),
            ("${NAME}", json!("grep")),
            ("x${T}y", json!("x5y")),
            ("$${T}", json!("${T}")),
            ("${NO:-true}", json!(true)),
            ("${NO:-1e3}", json!(1000.0)),
            ("${NO:-123456789012345678901}", json!("123456789012345678901")),
        ] {
            assert_eq!(expanded(text, false, &environment()), Ok(value), "{text}");
        }
        assert_eq!(expanded("${T}", true, &environment()), Ok(json!("5")));
    }

    #[test]
    fn unset_and_malformed_are_named() {
        let wrong = |text| expanded(text, false, &environment()).unwrap_err();
        assert!(wrong("${NO}").starts_with("the environment variable NO is not set"));
        assert_eq!(wrong("${T"), "`${` without its `}`");
        assert!(wrong("${a b}").starts_with("`${a b}` is not a variable"));
        for nested in ["${NO:-${T}}", "${T:-${NO:-x}}", "${NO:-$${T}}"] {
            assert!(wrong(nested).contains("holds a variable, which is not filled in"), "{nested}");
        }
    }
}
