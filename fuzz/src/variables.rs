//! The environment of a process, as a part of an input says it.

use std::collections::BTreeMap;

/// `NAME=VALUE` lines.
pub fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        // They name files of this machine to read.
        .filter(|(name, _)| !name.ends_with("_FILE"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
