//! Text that Python reads: literals and identifiers.

use std::fmt::Write;

use serde_json::Value;

/// The value as a Python literal; what JSON calls an object is a dict.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| format!("{}: {}", quoted(name), literal(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The text as Python's `repr` writes it.
pub(crate) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push(quote);
    for character in text.chars() {
        match character {
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            '\\' => literal.push_str("\\\\"),
            _ if character == quote => literal.extend(['\\', quote]),
            _ => push_visible(&mut literal, character),
        }
    }
    literal.push(quote);
    literal
}

/// The character, or its escape where a reader would not see it or would see something else.
pub(crate) fn push_visible(text: &mut String, character: char) {
    let _ = match u32::from(character) {
        code @ (0..=0x1f | 0x7f..=0x9f | 0xad) => write!(text, "\\x{code:02x}"),
        code @ (0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff0..=0xffff) => {
            write!(text, "\\u{code:04x}")
        }
        code @ 0xe0000.. => write!(text, "\\U{code:08x}"),
        _ => write!(text, "{character}"),
    };
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Whether Python reads the name as one identifier that stays as it is: every version of Python, and not a keyword.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first == '_' || is_letter(first))
        && characters.all(|other| other == '_' || other.is_ascii_digit() || is_letter(other))
        && !is_keyword(name)
}

/// Letters of ASCII, and those scripts' plain letters of which Python's normalisation makes no others.
fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic()
        || matches!(character,
            'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ı' | 'Ĵ'..='ľ' | 'Ł'..='ň' | 'Ŋ'..='ž' // Latin
            | 'Α'..='Ρ' | 'Σ'..='ώ' // Greek
            | 'А'..='я' | 'Ё' | 'ё' | 'א'..='ת'
            | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='龥' | '가'..='힣')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_identifier, literal, quoted};

    #[test]
    fn literals_are_pythons() {
        let value = json!({"a": [null, true, false, 1, -2.5], "it's": {}});
        assert_eq!(literal(&value), r#"{'a': [None, True, False, 1, -2.5], "it's": {}}"#);
        assert_eq!(quoted("'\"\\\n\u{1}\u{202e}\u{e0001}ü"), r#"'\'"\\\n\x01\u202e\U000e0001ü'"#);
    }

    #[test]
    fn identifiers_are_what_python_takes_and_keeps() {
        for name in ["weather", "_a1", "für", "天气", "Größe", "match", "погода"] {
            assert!(is_identifier(name), "{name}");
        }
        // Of the ligature and the full-width letter Python would make others.
        for name in ["", "1a", "my-tool", "class", "None", "a b", "a.b", "ﬁle", "ａ", "²", "x\n", "e\u{301}"] {
            assert!(!is_identifier(name), "{name:?}");
        }
    }
}
