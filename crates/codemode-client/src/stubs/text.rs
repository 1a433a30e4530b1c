//! Descriptions inside Python source. Whoever wrote them may have meant to end the string that they stand in.

use crate::python::push_visible;

/// A docstring at a depth of blanks, quotes included.
pub(super) fn docstring(text: &str, indent: &str) -> String {
    let lines: Vec<String> = text.trim().split('\n').map(|line| escaped(line.trim_end())).collect();
    let is_long = lines.len() > 1;
    let mut whole = format!("\"\"\"{}", lines[0]);
    for line in &lines[1..] {
        whole += &if line.is_empty() { "\n".to_owned() } else { format!("\n{indent}{line}") };
    }
    if is_long {
        whole += &format!("\n{indent}");
    }
    whole + "\"\"\""
}

/// One line for a comment.
pub(super) fn comment(text: &str) -> String {
    let mut line = String::new();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .for_each(|character| push_visible(&mut line, character));
    line
}

/// Neither three quotes in a row nor one at the end, where it would be read as one of those that end the string.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' if text.ends_with("\"\"") || characters.peek().is_none() => text.push_str("\\\""),
            '\t' => text.push_str("    "),
            '\r' => {}
            _ => push_visible(&mut text, character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{comment, docstring};

    #[test]
    fn no_description_ends_its_string() {
        for (text, expected) in [
            ("plain", r#""""plain""""#),
            (r#"""" + evil() + """"#, r#""""""\" + evil() + ""\"""""#),
            (r#"a\"#, r#""""a\\""""#),
            (r#"a\""#, r#""""a\\\"""""#),
            (r#"say "hi""#, r#""""say "hi\"""""#),
            ("ends in \\", r#""""ends in \\""""#),
            ("\\\"\"\"\"", r#""""\\""\"\"""""#),
            ("a\0b\u{202e}c\r", r#""""a\x00b\u202ec""""#),
            ("one\n\n  two", "\"\"\"one\n\n      two\n    \"\"\""),
        ] {
            assert_eq!(docstring(text, "    "), expected, "{text}");
        }
        assert_eq!(comment("a\nimport os\r\tb\u{c}c"), "a import os b c");
    }
}
