//! From the text of a tagged value to a `Value`, with what `serde_json` would refuse or round.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// The deepest text that values travel in: three levels for each of a hundred, and a few.
const MAX_DEPTH: usize = 320;
/// The tag of an integer of more than 64 bits, whose digits are kept. It exists on this side only.
pub(crate) const WIDE_INTEGER: &str = "int";

/// Why the text of a value cannot be read.
///
/// ```
/// use codemode_client::schema::read_value;
///
/// assert!(read_value(b"[1, 2").is_err());
/// assert_eq!(read_value("[".repeat(1000).as_bytes()).unwrap_err().to_string(), "the value is nested too deeply");
/// ```
#[derive(Debug, Error)]
pub enum UnreadableValue {
    /// Deeper than values travel.
    #[error("the value is nested too deeply")]
    TooDeep,
    /// It is no text of JSON.
    #[error("the value is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

/// Reads a tagged value as it travels: deeper than `serde_json` alone would, and with integers of any size, which
/// [`ToolSchema::check`](crate::schema::ToolSchema::check) knows.
///
/// ```
/// use codemode_client::{json, schema::{ToolSchema, read_value}};
///
/// let value = read_value(b"123456789012345678901234567890")?;
/// let schema = ToolSchema::new(&json!({"type": "integer", "maximum": 10}))?;
/// assert_eq!(
///     schema.check(&value)[0].to_string(),
///     "expected int <= 10, got int 123456789012345678901234567890",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_value(text: &[u8]) -> Result<Value, UnreadableValue> {
    let text = prepared(text)?;
    let mut reader = serde_json::Deserializer::from_slice(&text);
    // `prepared` has measured the depth.
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The text with its wide integers tagged, if its depth is bearable. Says nothing about whether it is JSON.
fn prepared(text: &[u8]) -> Result<Cow<'_, [u8]>, UnreadableValue> {
    let mut written: Option<Vec<u8>> = None;
    let (mut at, mut copied, mut depth) = (0, 0, 0_usize);
    while let Some(&byte) = text.get(at) {
        let mut end = at + 1;
        match byte {
            b'"' => end = end_of_string(text, at + 1),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                end += text[end..].iter().take_while(|byte| is_numeric(**byte)).count();
                if is_wide_integer(&text[at..end]) {
                    let written = written.get_or_insert_default();
                    written.extend_from_slice(&text[copied..at]);
                    written.extend_from_slice(format!(r#"{{"{}":"{WIDE_INTEGER}","v":""#, super::view::TAG).as_bytes());
                    written.extend_from_slice(&text[at..end]);
                    written.extend_from_slice(br#""}"#);
                    copied = end;
                }
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(UnreadableValue::TooDeep);
        }
        at = end;
    }
    Ok(match written {
        None => Cow::Borrowed(text),
        Some(mut written) => {
            written.extend_from_slice(&text[copied..]);
            Cow::Owned(written)
        }
    })
}

fn end_of_string(text: &[u8], mut at: usize) -> usize {
    loop {
        at += match text.get(at) {
            Some(b'\\') => 2,
            Some(b'"') => return at + 1,
            Some(_) => 1,
            None => return text.len(),
        };
    }
}

fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Digits alone, in JSON's spelling, that neither `i64` nor `u64` holds.
fn is_wide_integer(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    number.len() > 18
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(number).is_ok_and(|text| text.parse::<i64>().is_err() && text.parse::<u64>().is_err())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read_value;

    #[test]
    fn integers_keep_their_digits() {
        let text = r#"{"a":[18446744073709551615,-9223372036854775809],"9":"99999999999999999999\"9","b":1e400000}"#;
        assert!(read_value(text.as_bytes()).is_err());
        let value = read_value(text.replace("1e400000", "1.5e300").as_bytes()).unwrap();
        let wide = json!({"$codemode": "int", "v": "-9223372036854775809"});
        assert_eq!(value["a"], json!([18446744073709551615_u64, wide]));
        assert_eq!(value["9"], "99999999999999999999\"9");
        for broken in ["", "00000000000000000000000", "-", "--------------------", "\"\\", "[1}", "1 2"] {
            assert!(read_value(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn depth_is_bounded_whatever_it_is_made_of() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(read_value(&nested(320)).is_ok());
        assert!(read_value(&nested(321)).is_err());
    }
}
