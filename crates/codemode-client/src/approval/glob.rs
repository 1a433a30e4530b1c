//! Globs on whole texts, as Python's `fnmatch` reads them: `*`, `?`, `[…]`, `[!…]`; nothing else is special.
//!
//! The text is hostile. `regex` takes time linear in it, whatever the pattern is.

use regex::{Regex, RegexBuilder};

/// In bytes; nobody writes more by hand.
const MAX_PATTERN: usize = 10_000;
const MAX_COMPILED: usize = 4 << 20;

/// `None` for a pattern that is too long.
pub(super) fn compile(pattern: &str) -> Option<Regex> {
    if pattern.len() > MAX_PATTERN {
        return None;
    }
    RegexBuilder::new(&translate(pattern)).size_limit(MAX_COMPILED).build().ok()
}

fn translate(pattern: &str) -> String {
    let mut expression = String::from(r"(?s)\A");
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match class(rest) {
                Some((class, after)) => {
                    expression.push_str(&class);
                    rest = after;
                }
                // Without its end, a bracket is a bracket.
                None => expression.push_str(r"\["),
            },
            other => expression.push_str(&escaped(other)),
        }
    }
    expression + r"\z"
}

/// What stands between brackets as a class of `regex`, and what comes after it.
fn class(rest: &str) -> Option<(String, &str)> {
    let (negated, inner) = match rest.strip_prefix('!') {
        Some(inner) => (true, inner),
        None => (false, rest),
    };
    // A bracket that comes first is a member.
    let first = inner.chars().next()?.len_utf8();
    let end = first + inner[first..].find(']')?;
    let members: Vec<char> = inner[..end].chars().collect();
    let ranges = ranges(&members);
    let class = match (ranges.is_empty(), negated) {
        (true, true) => ".".into(),
        (true, false) => r"[^\x{0}-\x{10FFFF}]".into(),
        (false, _) => format!("[{}{ranges}]", if negated { "^" } else { "" }),
    };
    Some((class, &inner[end + 1..]))
}

/// A range that ends before it begins holds nothing.
fn ranges(mut members: &[char]) -> String {
    let mut text = String::new();
    while let [low, after @ ..] = members {
        let high = match after {
            ['-', high, after @ ..] => {
                members = after;
                high
            }
            after => {
                members = after;
                low
            }
        };
        if low <= high {
            text += &format!("{}-{}", escaped(*low), escaped(*high));
        }
    }
    text
}

fn escaped(character: char) -> String {
    match character {
        plain if plain.is_ascii_alphanumeric() => plain.into(),
        other => format!(r"\x{{{:X}}}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::compile;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text)
    }

    #[test]
    fn a_pattern_is_about_the_whole_text_and_knows_no_paths() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("/tmp/*", "/tmp/a/b\nc"),
            ("a?c", "aüc"),
            ("*.py", ".py"),
            ("{a,b}", "{a,b}"),
            (r"a\*", r"a\b"),
            ("**/x", "a/b/x"),
            ("[", "["),
            ("[!", "[!"),
            ("[]]", "]"),
            ("[!]a]", "b"),
            ("[a-c]", "b"),
            ("[a-c-e]", "-"),
            ("[a-]", "-"),
            ("[^a]", "^"),
            ("[&&~|]", "&"),
            ("[!z-a]", "q"),
            ("[z-ab]", "b"),
        ] {
            assert!(matches(pattern, text), "{pattern:?} {text:?}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", "A"),
            ("a", "a\n"),
            ("*.py", "a.pyc"),
            ("{a,b}", "a"),
            ("[!]a]", "]"),
            ("[^a]", "b"),
            ("[z-a]", "z"),
            ("a?c", "ac"),
            ("[]", ""),
        ] {
            assert!(!matches(pattern, text), "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_pattern_has_a_greatest_length() {
        assert!(compile(&"a".repeat(10_000)).is_some() && compile(&"?".repeat(1000)).is_some());
        assert!(compile(&"a".repeat(10_001)).is_none());
    }
}
