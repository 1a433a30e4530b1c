//! From a value that `read_value` gave back to the text that travels.

use serde_json::Value;

use crate::schema::{TAG, WIDE_INTEGER};

/// The text of the value. Its wide integers are digits again.
pub(crate) fn text(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => match (members.get(TAG), members.get("v")) {
            (Some(Value::String(tag)), Some(Value::String(digits))) if tag == WIDE_INTEGER && is_integer(digits) => {
                out.push_str(digits);
            }
            _ => {
                out.push('{');
                for (at, (key, member)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&Value::String(key.clone()).to_string());
                    out.push(':');
                    write(member, out);
                }
                out.push('}');
            }
        },
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The tag does not travel; should it come all the same, it stays what it is unless it holds an integer.
pub(crate) fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::schema::read_value;

    #[test]
    fn what_was_read_is_written() {
        let written = r#"{"a":[1,18446744073709551616,-0.1,1e+300,null,"ü\"\n"],"b":{"$codemode":"tuple","v":[true]}}"#;
        assert_eq!(String::from_utf8(text(&read_value(written.as_bytes()).unwrap())).unwrap(), written);
        // Of two members with one name, the last is the one that counts, here and for whoever reads what is written.
        assert_eq!(text(&read_value(br#"{"a":1,"a":2}"#).unwrap()), br#"{"a":2}"#);
        let forged = r#"{"$codemode":"int","v":"1,2"}"#;
        assert_eq!(text(&read_value(forged.as_bytes()).unwrap()), forged.as_bytes());
    }

    #[test]
    fn floats_are_exact() {
        for float in ["0.1", "2.2250738585072014e-308", "0.30000000000000004", "5.4467829041219655e-104"] {
            let value = read_value(float.as_bytes()).unwrap();
            assert_eq!(value.as_f64(), float.parse().ok(), "{float}");
        }
    }
}
