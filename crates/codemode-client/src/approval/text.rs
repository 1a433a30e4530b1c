//! The text of a value, which patterns are matched against.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use regex::Regex;
use serde_json::{Map, Value};

use crate::{
    schema::{TAG, WIDE_INTEGER},
    values::is_integer,
};

/// Bytes of text that one rule looks at. A list is looked at as a whole and by each member, and so are its lists.
const MOST: usize = 64 << 20;

/// What came out of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Match,
    No,
    /// It has no text, or too much of it: it may be anything.
    Unknown,
}

/// Compares one value with one pattern.
pub(super) struct Comparison<'a> {
    pattern: &'a Regex,
    left: usize,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(pattern: &'a Regex) -> Self {
        Self { pattern, left: MOST }
    }

    /// Whether the whole or any member fits. Of a whole number, whether one of its texts does: the code chooses which
    /// one it writes, and a schema may allow both.
    pub(super) fn any(&mut self, value: &Value) -> Found {
        let mut found = self.whole(value);
        if found == Found::No && other_text(value).is_some_and(|text| self.pattern.is_match(&text)) {
            found = Found::Match;
        }
        for member in members(value).unwrap_or_default() {
            if found != Found::No {
                break;
            }
            found = self.any(member);
        }
        found
    }

    /// Whether every member fits; the whole where there is none. A pattern that fits the text of a whole list may still
    /// fit one member only.
    pub(super) fn all(&mut self, value: &Value) -> Found {
        match members(value) {
            Some(members) if !members.is_empty() => members
                .iter()
                .map(|member| self.all(member))
                .find(|found| *found != Found::Match)
                .unwrap_or(Found::Match),
            _ => self.whole(value),
        }
    }

    fn whole(&mut self, value: &Value) -> Found {
        let Some(text) = text_of(value) else { return Found::Unknown };
        let Some(left) = self.left.checked_sub(text.len() + 1) else { return Found::Unknown };
        self.left = left;
        if self.pattern.is_match(&text) { Found::Match } else { Found::No }
    }
}

/// `5` of 5.0, and `5.0` of 5.
fn other_text(value: &Value) -> Option<String> {
    let Value::Number(number) = value else { return None };
    match number.as_f64() {
        Some(float) if number.is_f64() => (float.fract() == 0.0).then(|| format!("{:.0}", float + 0.0)),
        _ => Some(format!("{number}.0")),
    }
}

fn members(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(members) => Some(members),
        Value::Object(object) => match (tag(object)?, object.get("v")?) {
            ("tuple" | "namedtuple" | "set" | "frozenset", Value::Array(members)) => Some(members),
            _ => None,
        },
        _ => None,
    }
}

fn tag(object: &Map<String, Value>) -> Option<&str> {
    object.get(TAG)?.as_str()
}

/// Text as it is, other values as compact JSON with sorted keys; `None` for what cannot be shown completely.
pub(super) fn text_of(value: &Value) -> Option<String> {
    if let Some(text) = bare(value) {
        return Some(text);
    }
    let mut written = String::new();
    write(value, &mut written)?;
    Some(written)
}

/// Of what is text, or stands as text.
fn bare(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => match (tag(object)?, object.get("v")?.as_str()?) {
            ("date" | "datetime" | "time" | "uuid" | "decimal", text) => Some(text.into()),
            ("bytes" | "bytearray", text) => String::from_utf8(STANDARD.decode(text).ok()?).ok(),
            _ => None,
        },
        _ => None,
    }
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Array(items) => write_list(items.iter().map(json).collect::<Option<_>>()?, out),
        Value::Object(object) if object.contains_key(TAG) => return write_tagged(value, object, out),
        Value::Object(object) => {
            return write_object(object.iter().map(|(key, value)| Some((key.clone(), json(value)?))), out);
        }
        scalar => out.push_str(&scalar.to_string()),
    }
    Some(())
}

fn json(value: &Value) -> Option<String> {
    let mut written = String::new();
    write(value, &mut written)?;
    Some(written)
}

fn write_tagged(value: &Value, object: &Map<String, Value>, out: &mut String) -> Option<()> {
    if let Some(text) = bare(value) {
        out.push_str(&Value::String(text).to_string());
        return Some(());
    }
    match (tag(object)?, object.get("v")?) {
        ("tuple" | "namedtuple", items @ Value::Array(_)) => return write(items, out),
        ("set" | "frozenset", Value::Array(items)) => {
            let mut items: Vec<String> = items.iter().map(json).collect::<Option<_>>()?;
            items.sort();
            write_list(items, out);
        }
        ("dataclass", Value::Object(fields)) => {
            return write_object(fields.iter().map(|(key, value)| Some((key.clone(), json(value)?))), out);
        }
        ("dict", Value::Array(pairs)) => {
            let pairs = pairs.iter().map(|pair| Some((text_of(pair.get(0)?)?, json(pair.get(1)?)?)));
            return write_object(pairs, out);
        }
        (WIDE_INTEGER, Value::String(digits)) if is_integer(digits) => out.push_str(digits),
        ("float", Value::String(word)) => out.push_str(match word.as_str() {
            "nan" => "NaN",
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            _ => return None,
        }),
        _ => return None,
    }
    Some(())
}

fn write_list(items: Vec<String>, out: &mut String) {
    out.push('[');
    out.push_str(&items.join(","));
    out.push(']');
}

/// Nothing where two keys have the same text: only one of them would be seen.
fn write_object(members: impl Iterator<Item = Option<(String, String)>>, out: &mut String) -> Option<()> {
    let mut members: Vec<(String, String)> = members.collect::<Option<_>>()?;
    members.sort();
    if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return None;
    }
    let members: Vec<String> =
        members.into_iter().map(|(key, value)| format!("{}:{value}", Value::String(key))).collect();
    out.push('{');
    out.push_str(&members.join(","));
    out.push('}');
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::glob::compile, *};

    fn tagged(tag: &str, content: Value) -> Value {
        json!({TAG: tag, "v": content})
    }

    #[test]
    fn every_value_has_the_text_that_a_rule_is_written_for() {
        for (value, text) in [
            (json!("a b"), "a b"),
            (json!(5), "5"),
            (json!(null), "null"),
            (json!({"b": [1, "x"], "a": true}), r#"{"a":true,"b":[1,"x"]}"#),
            (tagged("tuple", json!([1, 2])), "[1,2]"),
            (tagged("set", json!(["b", "a"])), r#"["a","b"]"#),
            (tagged("date", json!("2024-02-29")), "2024-02-29"),
            (json!([tagged("date", json!("2024-02-29"))]), r#"["2024-02-29"]"#),
            (tagged("bytes", json!("L2V0Yw==")), "/etc"),
            (tagged("int", json!("-9223372036854775809")), "-9223372036854775809"),
            (json!([tagged("int", json!("18446744073709551616"))]), "[18446744073709551616]"),
            (tagged("dict", json!([[2, "b"], ["a", 1]])), r#"{"2":"b","a":1}"#),
            (tagged("dataclass", json!({"path": "/x"})), r#"{"path":"/x"}"#),
            (tagged("float", json!("nan")), "NaN"),
        ] {
            assert_eq!(text_of(&value).as_deref(), Some(text), "{value}");
        }
        for value in [
            tagged("bytes", json!("/w==")),
            tagged("dict", json!([[1, "a"], ["1", "b"]])),
            tagged("repr", json!("<X>")),
            tagged("int", json!("/etc/x")),
            tagged("str", json!("7aCA")),
            tagged("ndarray", json!({})),
            json!({TAG: 5}),
            json!([{TAG: "date"}]),
        ] {
            assert_eq!(text_of(&value), None, "{value}");
        }
    }

    #[test]
    fn lists_are_looked_into() {
        let pattern = compile("/etc/*").unwrap();
        let any = |value: Value| Comparison::new(&pattern).any(&value);
        let all = |value: Value| Comparison::new(&pattern).all(&value);
        assert_eq!(any(json!(["/tmp", ["/etc/x"]])), Found::Match);
        assert_eq!(any(tagged("set", json!(["/etc/x"]))), Found::Match);
        assert_eq!(any(json!(["/tmp", {"a": "/etc/x"}])), Found::No);
        assert_eq!(all(json!(["/etc/a", ["/etc/b"]])), Found::Match);
        assert_eq!(all(json!(["/etc/a", "/tmp"])), Found::No);
        assert_eq!(all(json!([])), Found::No);
        assert_eq!(any(json!([tagged("repr", json!("x"))])), Found::Unknown);
    }

    #[test]
    fn a_whole_number_has_two_texts() {
        for (pattern, value, expected) in [
            ("1000", json!(1000.0), Found::Match),
            ("1000.0", json!(1000), Found::Match),
            ("0", json!(-0.0), Found::Match),
            ("10000000000000000000", json!(1e19), Found::Match),
            ("1000", json!([1000.0]), Found::Match),
            ("1000", json!(1000.5), Found::No),
            ("1000", json!("1000.0"), Found::No),
        ] {
            let glob = compile(pattern).unwrap();
            assert_eq!(Comparison::new(&glob).any(&value), expected, "{pattern} {value}");
        }
        assert_eq!(Comparison::new(&compile("1000").unwrap()).all(&json!(1000.0)), Found::No);
    }

    #[test]
    fn what_takes_too_long_is_unknown() {
        let mut value = json!("x".repeat(1 << 20));
        for _ in 0..100 {
            value = json!([value]);
        }
        assert_eq!(Comparison::new(&compile("/etc/*").unwrap()).any(&value), Found::Unknown);
    }
}
