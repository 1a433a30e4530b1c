//! What a value should have been, for a reader of YAML: serde speaks of Rust's types.

/// A message of serde's with its types in plain words. Anything that is not about a type stays as it is.
pub(super) fn plain(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("unknown word {rest}");
    }
    let about = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    // The value comes first and may hold anything; what was expected holds no such words.
    match about.and_then(|about| about.rsplit_once(", expected ")) {
        Some((found, expected)) => format!("expected {}, found {}", wanted(expected), given(found)),
        None => message.to_owned(),
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "f64" | "f32" => "a number",
        "u64" | "u32" | "usize" => "a whole number that is not below 0",
        "u16" => "a whole number from 0 to 65535",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a string" => "text",
        "path string" => "a path",
        "a map" => "a mapping of keys to values",
        other => other,
    }
}

fn given(found: &str) -> String {
    let unquoted = |text: &str| text.trim_matches('`').to_owned();
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {}", unquoted(number)),
        Some(("floating", rest)) => format!("the number {}", unquoted(rest.trim_start_matches("point "))),
        Some(("boolean", value)) => unquoted(value),
        _ => match found {
            "sequence" => "a list".to_owned(),
            "map" => "a mapping".to_owned(),
            "null" => "nothing".to_owned(),
            other => other.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_value_cannot_change_the_rest_of_the_message() {
        let tricky = r#"invalid type: string "a, expected b", expected f64"#;
        assert_eq!(plain(tricky), r#"expected a number, found the text "a, expected b""#);
        assert_eq!(plain("invalid type: boolean `true`, expected a string"), "expected text, found true");
        assert_eq!(plain("a size is bytes or a number"), "a size is bytes or a number");
    }
}
