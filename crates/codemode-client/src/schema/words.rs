//! What a schema allows, and what a value is, in Python's words.

use serde_json::{Map, Value};

use super::view::{Numeric, Shape, shape};
use crate::python::{literal, quoted};

/// Of a text that an error quotes, in characters.
const GLIMPSE: usize = 60;
const MAX_REFS: usize = 32;
/// Of alternatives and lists within each other: deeper, a reader is told no more.
const MAX_NESTING: usize = 4;

/// Follows `$ref`s within the schema; a cycle ends where it began. Nothing where one leads nowhere.
pub(crate) fn resolve<'a>(mut schema: &'a Value, root: &'a Value) -> &'a Value {
    for _ in 0..MAX_REFS {
        let Some(target) = schema.get("$ref").and_then(Value::as_str) else { break };
        schema = at_reference(target, root).unwrap_or(&Value::Null);
    }
    schema
}

/// What a `$ref` names, if that is a place in the schema.
pub(crate) fn at_reference<'a>(target: &str, root: &'a Value) -> Option<&'a Value> {
    let fragment = target.strip_prefix('#')?;
    root.pointer(&percent_decoded(fragment)?)
}

/// A fragment is written as in a URI.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [char::from(*high).to_digit(16)?, char::from(*low).to_digit(16)?];
                (u8::try_from(digits[0] * 16 + digits[1]).ok()?, after)
            }
            _ => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// `location*: str`, `units: 'metric' or 'imperial'`, …; `*` marks a required one.
pub(crate) fn parameters(root: &Value) -> Vec<String> {
    let schema = resolve(root, root);
    let is_required = |name: &str| names(schema, "required").any(|required| required == name);
    let mut found: Vec<String> = members(schema, "properties")
        .map(|(name, member)| format!("{name}{}: {}", if is_required(name) { "*" } else { "" }, describe(member, root)))
        .collect();
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        found.push("**any other".into());
    }
    found
}

pub(crate) fn members<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

pub(crate) fn items<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) fn names<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a str> {
    items(schema, keyword).filter_map(Value::as_str)
}

/// The types that `type` names; none where it is absent.
pub(crate) fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        _ => names(schema, "type").collect(),
    }
}

/// What a schema allows: `int from 1 to 9`, `list of str`, `'low' or 'high'`.
pub(crate) fn describe(schema: &Value, root: &Value) -> String {
    described(schema, root, MAX_NESTING)
}

fn described(schema: &Value, root: &Value, depth: usize) -> String {
    let Value::Object(schema) = resolve(schema, root) else { return "anything".into() };
    if let Some(Value::Array(choices)) = schema.get("enum") {
        return either(choices.iter().map(literal));
    }
    if let Some(value) = schema.get("const") {
        return literal(value);
    }
    if depth == 0 {
        return "anything".into();
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = schema.get(key) {
            return either(branches.iter().map(|branch| described(branch, root, depth - 1)));
        }
    }
    if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        return described(only, root, depth - 1);
    }
    let whole = Value::Object(schema.clone());
    let kinds = kinds(&whole);
    let mut text =
        if kinds.is_empty() { "anything".into() } else { either(kinds.iter().map(|kind| word(kind).into())) };
    if let (true, Some(items @ Value::Object(_))) = (kinds.contains(&"array"), schema.get("items"))
        && items.as_object().is_some_and(|items| !items.is_empty())
    {
        text += &format!(" of {}", described(items, root, depth - 1));
    }
    text + &details(schema)
}

fn either(choices: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for choice in choices {
        if !known.contains(&choice) {
            known.push(choice);
        }
    }
    known.join(" or ")
}

fn word(kind: &str) -> &str {
    match kind {
        "string" => "str",
        "integer" => "int",
        "number" => "float",
        "boolean" => "bool",
        "array" => "list",
        "object" => "dict",
        "null" => "None",
        other => other,
    }
}

/// Bounds and the like, each after a blank: ` from 1 to 9`.
pub(crate) fn details(schema: &Map<String, Value>) -> String {
    let mut text = String::new();
    let get = |key: &str| schema.get(key).filter(|value| !value.is_null());
    // `password` is pydantic's word for a secret string.
    if let Some(format) = get("format").and_then(Value::as_str).filter(|format| *format != "password") {
        text += &format!(" ({format})");
    }
    if let Some(pattern) = get("pattern").and_then(Value::as_str) {
        text += &format!(" matching {}", quoted(pattern));
    }
    match (get("minimum"), get("maximum")) {
        (Some(low), Some(high)) => text += &format!(" from {low} to {high}"),
        (Some(low), None) => text += &format!(" >= {low}"),
        (None, Some(high)) => text += &format!(" <= {high}"),
        (None, None) => {}
    }
    for (key, sign) in [("exclusiveMinimum", ">"), ("exclusiveMaximum", "<"), ("multipleOf", "multiple of")] {
        // In draft 4 it only says how `minimum` is meant.
        if let Some(bound) = get(key).filter(|bound| bound.is_number()) {
            text += &format!(" {sign} {bound}");
        }
    }
    for (key, unit) in [("Length", "characters"), ("Items", "items"), ("Properties", "entries")] {
        for (bound, word) in [("min", "least"), ("max", "most")] {
            if let Some(count) = get(&format!("{bound}{key}")) {
                text += &format!(" with at {word} {count} {unit}");
            }
        }
    }
    text
}

/// Type and a glimpse of a value, short enough for an error.
pub(super) fn shown(value: &Value) -> String {
    match shape(value) {
        Shape::Null => "None".into(),
        Shape::Bool(value) => format!("bool {}", if value { "True" } else { "False" }),
        Shape::Number(number) => shown_number(&number),
        Shape::Text(text) => {
            let start: String = text.chars().take(GLIMPSE + 1).collect();
            format!("str {}", cut(&quoted(&start)))
        }
        Shape::Items(items) => format!("list of {}", items.len()),
        Shape::Members(members) => format!("dict of {}", members.len()),
        Shape::Foreign(name) => name.chars().take(GLIMPSE).filter(|character| !character.is_control()).collect(),
    }
}

fn shown_number(number: &Numeric<'_>) -> String {
    match number {
        Numeric::Plain(number) if number.is_f64() => format!("float {number}"),
        Numeric::Plain(number) => format!("int {number}"),
        Numeric::Wide(digits) => cut(&format!("int {digits}")),
        Numeric::Tagged(text) => {
            let kind = if ["nan", "inf", "-inf"].contains(text) { "float" } else { "Decimal" };
            let shown = text.chars().filter(char::is_ascii_graphic).take(GLIMPSE + 1);
            format!("{kind} {}", cut(&shown.collect::<String>()))
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(GLIMPSE) {
        None => text.to_owned(),
        Some(_) => text.chars().take(GLIMPSE - 3).chain("...".chars()).collect(),
    }
}
