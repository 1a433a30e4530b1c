//! From a Struct to the text of a value. A double that holds an integer exactly is that integer.

use codemode_proto::compat::google::{ListValue, Struct, Value, value::Kind};

use super::{EXACT, TAG, WRAPPED};

/// A context or a configuration.
pub fn value_bytes(value: &Struct) -> Vec<u8> {
    let mut out = Vec::new();
    mapping(value, &mut out);
    out
}

/// What a tool returned, whatever it was wrapped in to be a mapping.
pub fn tool_result(result: Option<&Struct>) -> Vec<u8> {
    let mut out = Vec::new();
    match result {
        None => out.extend_from_slice(b"{}"),
        Some(result) => match result.fields.get(WRAPPED).filter(|_| result.fields.len() == 1) {
            Some(wrapped) => write(wrapped, &mut out),
            None => mapping(result, &mut out),
        },
    }
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => out.extend_from_slice(b"null"),
        Some(Kind::BoolValue(true)) => out.extend_from_slice(b"true"),
        Some(Kind::BoolValue(false)) => out.extend_from_slice(b"false"),
        Some(Kind::NumberValue(number)) => write_number(*number, out),
        Some(Kind::StringValue(text)) => write_text(text, out),
        Some(Kind::StructValue(members)) => mapping(members, out),
        Some(Kind::ListValue(ListValue { values })) => separated(values, b"[]", out, write),
    }
}

/// One that would read as a tag is written as pairs, so that data stays data.
fn mapping(value: &Struct, out: &mut Vec<u8>) {
    if value.fields.contains_key(TAG) {
        out.extend_from_slice(format!(r#"{{"{TAG}":"dict","v":"#).as_bytes());
        separated(&value.fields, b"[]", out, |(name, value), out| {
            out.push(b'[');
            write_text(name, out);
            out.push(b',');
            write(value, out);
            out.push(b']');
        });
        return out.push(b'}');
    }
    separated(&value.fields, b"{}", out, |(name, value), out| {
        write_text(name, out);
        out.push(b':');
        write(value, out);
    });
}

fn separated<T>(
    items: impl IntoIterator<Item = T>,
    [open, close]: &[u8; 2],
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(*open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(*close);
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    let is_integer =
        number.fract() == 0.0 && number.abs() <= EXACT as f64 && !(number == 0.0 && number.is_sign_negative());
    if is_integer {
        out.extend_from_slice((number as i64).to_string().as_bytes());
    } else if let Some(number) = serde_json::Number::from_f64(number) {
        out.extend_from_slice(number.to_string().as_bytes());
    } else {
        let word = if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        };
        out.extend_from_slice(format!(r#"{{"{TAG}":"float","v":"{word}"}}"#).as_bytes());
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: f64) -> String {
        let mut out = Vec::new();
        write_number(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn of(members: &[(&str, Kind)]) -> Struct {
        let member = |(name, kind): &(&str, Kind)| ((*name).to_owned(), Value { kind: Some(kind.clone()) });
        Struct { fields: members.iter().map(member).collect() }
    }

    #[test]
    fn integral_doubles_are_integers_as_far_as_they_are_exact() {
        let exact = 2_f64.powi(53);
        let shown = [3.0, -3.0, exact, -exact, exact + 2.0, 0.0, -0.0, 0.1, 1e300].map(number);
        let expected =
            ["3", "-3", "9007199254740992", "-9007199254740992", "9007199254740994.0", "0", "-0.0", "0.1", "1e+300"];
        assert_eq!(shown, expected);
        let shown = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number).concat();
        assert_eq!(shown.matches("\"float\"").count(), 3);
        assert!(shown.contains("\"nan\"") && shown.contains("\"inf\"") && shown.contains("\"-inf\""));
    }

    #[test]
    fn words_of_python_are_values() {
        let context = of(&[
            ("yes", Kind::BoolValue(true)),
            ("none", Kind::NullValue(0)),
            ("text", Kind::StringValue("a\"\u{2028}\n".into())),
            ("list", Kind::ListValue(ListValue { values: vec![Value { kind: None }] })),
        ]);
        assert_eq!(
            String::from_utf8(value_bytes(&context)).unwrap(),
            "{\"list\":[null],\"none\":null,\"text\":\"a\\\"\u{2028}\\n\",\"yes\":true}",
        );
    }

    #[test]
    fn data_does_not_become_a_tag() {
        let hostile = of(&[(TAG, Kind::StringValue("repr".into())), ("v", Kind::NumberValue(1.0))]);
        let text = String::from_utf8(tool_result(Some(&hostile))).unwrap();
        assert_eq!(text, r#"{"$codemode":"dict","v":[["$codemode","repr"],["v",1]]}"#);
    }

    #[test]
    fn a_wrapped_value_is_itself_and_a_mapping_that_looks_alike_is_not() {
        assert_eq!(tool_result(Some(&of(&[(WRAPPED, Kind::NumberValue(4.0))]))), b"4");
        let two = of(&[(WRAPPED, Kind::NumberValue(4.0)), ("x", Kind::BoolValue(false))]);
        assert_eq!(tool_result(Some(&two)), br#"{"__codemode_value__":4,"x":false}"#);
        assert_eq!(tool_result(None), b"{}");
    }
}
