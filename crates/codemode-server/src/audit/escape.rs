//! Text from elsewhere, made fit for a line that a terminal may show.

use std::borrow::Cow;

/// Whether a terminal obeys or hides this character where it should show it: control characters (C0, DEL, C1), line
/// separators, and everything that turns the direction of writing or has no width.
fn is_unshowable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// For what has to be one line. Each such character in JSON's own form, `\u001b`: in JSON text they stand in strings
/// only, so JSON stays JSON.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escaped_but(text, &[])
}

/// As `escaped`, but text of several lines keeps its lines and tabs.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, &['\n', '\t'])
}

fn escaped_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let unfit = |character: char| is_unshowable(character) && !kept.contains(&character);
    if !text.contains(unfit) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match unfit(character) {
            true => {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")))
            }
            false => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// As much of `text` as takes at most `most` bytes in a line, with an ellipsis in place of the rest.
pub(super) fn capped(text: &str, most: usize) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    let (mut used, mut fits) = (0, 0);
    for (start, character) in text.char_indices() {
        used += bytes_in_line(character);
        if used > most {
            return Cow::Owned(format!("{}{ELLIPSIS}", &text[..fits]));
        }
        if used + ELLIPSIS.len_utf8() <= most {
            fits = start + character.len_utf8();
        }
    }
    Cow::Borrowed(text)
}

fn bytes_in_line(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        _ if is_unshowable(character) => 6 * character.len_utf16(),
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        let hostile = "\u{7f}\u{9b}31m\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{feff}\u{e0041}";
        let safe = r"\u007f\u009b31m\u0085\u2028\u2029\u202e\u2066\u200f\ufeff\udb40\udc41";
        assert_eq!(escaped(hostile), safe);
        assert_eq!(escaped("a\n\x1b[2J"), r"a\u000a\u001b[2J");
        assert!(matches!(escaped("päth 'x' \\ 日本 👍"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_stay_lines_where_they_may() {
        assert_eq!(escaped_lines("a\n\tb\r\x1b"), "a\n\tb\\u000d\\u001b");
    }

    #[test]
    fn json_stays_json_with_the_same_value() {
        let hostile: String = (0..0x11_0000).filter_map(char::from_u32).filter(|it| is_unshowable(*it)).collect();
        let json = serde_json::to_string(&hostile).unwrap();
        let safe = escaped(&json);
        assert!(!safe.contains(is_unshowable));
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }

    #[test]
    fn what_is_cut_fits_as_it_is_written() {
        assert_eq!(capped("abcdef", 6), "abcdef");
        assert_eq!(capped("abcdefg", 6), "abc…");
        for text in ["\x1b".repeat(50), "\u{e0041}".repeat(50), "\"\\".repeat(50), "ä日👍".repeat(50)] {
            for most in 3..100 {
                let cut = capped(&text, most);
                let written = escaped(&serde_json::to_string(&cut).unwrap()).len() - 2;
                assert!(written <= most, "{written} of {most}: {cut:?}");
            }
        }
    }
}
