//! Values of tools, which hostile code writes, against the schema that an application wrote.

use codemode_client::schema::{ToolSchema, read_value};
use serde_json::{Value, json};

/// Of a text, all problems together: far below what the value itself may take.
const MAX_TOLD: usize = 1 << 20;

/// What is read is what `serde_json` reads, a value fits exactly if a reader of the same schema in plain code says so,
/// and what is told about it is short.
pub fn schema(input: &[u8]) {
    let Ok(value) = read_value(input) else {
        assert!(serde_json::from_slice::<Value>(input).is_err(), "refused, and JSON");
        return;
    };
    if let Ok(plain) = serde_json::from_slice::<Value>(input) {
        // Wide integers are the difference: here they keep their digits.
        assert!(value == plain || value.to_string().contains("\"int\""));
    }
    // Recursive, with alternatives: what costs a validator most.
    let schema = ToolSchema::new(&json!({"$ref": "#/$defs/v", "$defs": {"v": {"anyOf": [
        {"type": ["integer", "null"]},
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "array", "items": {"$ref": "#/$defs/v"}, "maxItems": 3},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/v"}, "b": {"type": "boolean"}},
            "required": ["a"], "additionalProperties": {"$ref": "#/$defs/v"}},
    ]}}}));
    let problems = schema.expect("a schema").check(&value);
    assert_eq!(problems.is_empty(), fits(&value), "{problems:?}");
    assert!(problems.len() <= 100);
    assert!(problems.iter().map(|problem| problem.to_string().len()).sum::<usize>() <= MAX_TOLD);
}

fn fits(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => false,
        Value::Number(number) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        Value::String(text) => !text.is_empty() && text.bytes().all(|byte| byte == b'a'),
        Value::Array(items) => items.len() <= 3 && items.iter().all(fits),
        Value::Object(members) => match (members.get("$codemode"), members.get("v")) {
            (None, _) => record(members.iter().map(|(name, member)| (Some(name.as_str()), member))),
            (Some(tag), Some(content)) => tagged(tag.as_str().unwrap_or_default(), content),
            (Some(_), None) => false,
        },
    }
}

fn tagged(tag: &str, content: &Value) -> bool {
    match (tag, content) {
        ("tuple" | "namedtuple", Value::Array(_)) => fits(content),
        ("dataclass", Value::Object(fields)) => record(fields.iter().map(|(name, field)| (Some(name.as_str()), field))),
        ("dict", Value::Array(pairs)) => {
            record(pairs.iter().filter_map(|pair| Some((pair.get(0)?.as_str(), pair.get(1)?))))
        }
        ("int", Value::String(digits)) => {
            let digits = digits.strip_prefix('-').unwrap_or(digits);
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        }
        ("float" | "decimal", Value::String(text)) => text.parse::<f64>().is_ok_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// Of equal names the last counts.
fn record<'a>(members: impl Iterator<Item = (Option<&'a str>, &'a Value)>) -> bool {
    let members: Vec<_> = members.collect();
    let last = |name| members.iter().rev().find(|(other, _)| *other == Some(name)).map(|(_, member)| *member);
    last("a").is_some_and(fits)
        && last("b").is_none_or(Value::is_boolean)
        && members.iter().all(|(name, member)| matches!(name, Some("a" | "b")) || fits(member))
}
