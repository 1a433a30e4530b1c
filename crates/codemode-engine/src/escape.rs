//! Text from elsewhere, made fit for a log line or a record.

/// The longest text that a log line quotes, in characters.
const LOGGED: usize = 400;

/// Control characters escaped, cut to a line's worth.
pub(crate) fn escaped(text: &str) -> String {
    let cut = shortened(text, LOGGED);
    cut.chars()
        .flat_map(|character| {
            // Backslashes and quotes may stay: only what moves a terminal or forges a line is escaped.
            let safe = !character.is_control()
                && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let plain = safe.then_some(character);
            plain.into_iter().chain((!safe).then(|| character.escape_unicode()).into_iter().flatten())
        })
        .collect()
}

/// At most `limit` characters, with an ellipsis in place of the rest.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_forges_a_log_line_or_moves_a_terminal() {
        assert_eq!(escaped("a\n\x1b[2Jb\u{202e}"), "a\\u{a}\\u{1b}[2Jb\\u{202e}");
        assert_eq!(escaped("päth 'x' \\"), "päth 'x' \\");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äöü", 3), "äöü");
    }
}
