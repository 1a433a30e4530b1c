//! `codemode explain`: an entry of the error catalogue, for a terminal.

use std::{fmt::Write, process::ExitCode};

use codemode_types::{
    catalogue::{self, Entry, Kind},
    nearest,
};

use crate::{
    args::ExplainArgs,
    exit::{self, Failure},
};

/// Characters of a line, as in the help.
const WIDTH: usize = 100;
/// The `type` of HTTP's problem documents is the code behind this.
const URN: &str = "urn:codemode:error:";
const MOST_NEAR: usize = 3;

pub(crate) fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let text = match &args.code {
        Some(word) => explained(word.strip_prefix(URN).unwrap_or(word))?,
        None => list(),
    };
    exit::print(&text)
}

fn explained(word: &str) -> Result<String, Failure> {
    let entries = catalogue::find(word);
    match entries.as_slice() {
        [] => Err(unknown(word)),
        [first, rest @ ..] if rest.iter().any(|entry| entry.code != first.code) => Ok(choice(word, &entries)),
        _ => Ok(entries.iter().map(|entry| entry_text(entry)).collect::<Vec<_>>().join("\n")),
    }
}

fn unknown(word: &str) -> Failure {
    // As people write it: `tool-not-fuond` is nearest to `ToolNotFound`.
    let plain = |word: &str| word.replace(['_', '-', ' '], "").to_lowercase();
    let mut words: Vec<(String, &str)> = catalogue::words().into_iter().map(|known| (plain(known), known)).collect();
    let mut near: Vec<&str> = Vec::new();
    while let Some(found) = nearest(&plain(word), words.iter().map(|(plain, _)| plain.as_str())).map(str::to_owned) {
        near.extend(words.iter().find(|(plain, _)| *plain == found).map(|(_, known)| *known));
        words.retain(|(plain, _)| *plain != found);
    }
    near.truncate(MOST_NEAR);
    let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
    let word: String = word.chars().take(100).collect();
    Failure::usage(format!("there is no code {word:?}{hint}\n`codemode explain --list` shows all codes"))
}

/// An exception has many codes.
fn choice(word: &str, entries: &[&Entry]) -> String {
    format!("{word} can have one of these codes:\n{}", table(entries.iter().copied()))
}

fn list() -> String {
    let sections = Kind::ALL.into_iter().map(|kind| {
        let entries = catalogue::entries().filter(|entry| entry.kind == kind);
        format!("{}\n{}", filled(kind.about(), ""), table(entries))
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn table<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    entries.map(|entry| format!("  {:<32} {}\n", entry.code, entry.title)).collect()
}

fn entry_text(entry: &Entry) -> String {
    let mut text = format!("{}: {} ({})\n\n", entry.code, entry.title, entry.kind);
    text.push_str(&filled(entry.happened, ""));
    for (title, points) in [("Likely causes", entry.causes), ("What to do", entry.remedies)] {
        if !points.is_empty() {
            let _ = write!(text, "\n{title}:\n");
            points.iter().for_each(|point| text.push_str(&filled(point, "  - ")));
        }
    }
    let places = entry.places();
    if !places.is_empty() {
        text.push_str("\nWhere it is met:\n");
        places.iter().for_each(|(place, what)| {
            let _ = writeln!(text, "  {place:<30} {what}");
        });
    }
    if entry.retryable {
        text.push_str("\nNothing ran, and the same request may succeed later, unchanged.\n");
    }
    text
}

/// The text in lines that fit; `first` begins the first one, and the others stand below its words.
fn filled(text: &str, first: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = first.to_owned();
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{}{word}", " ".repeat(first.len()))));
            continue;
        }
        if at > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n") + "\n"
}
