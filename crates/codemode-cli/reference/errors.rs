//! docs/errors: a page for each code.

use std::collections::BTreeMap;

use codemode_types::catalogue::{Entry, Kind, entries};

use super::{ERRORS, Page, configuration, table};

const INTRODUCTION: &str = "\
Every code that you can meet, each with a page of its own. `codemode explain CODE` shows the same texts in a terminal, also
for the `error_type` of a result and for the name of an exception.

A code is a stable word. In Python it is `code` of the exception, over gRPC the trailer `codemode-error-code`, over HTTP
`code` of the problem document (RFC 9457), whose `type` is `urn:codemode:error:` and the code.
";

pub(crate) fn pages() -> Vec<Page> {
    let mut by_code: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries() {
        by_code.entry(entry.code).or_default().push(entry);
    }
    let pages = by_code.iter().map(|(code, entries)| {
        let sections: Vec<String> = entries.iter().map(|entry| section(entry)).collect();
        Page::new(format!("{ERRORS}/{code}.md"), &format!("# `{code}`\n\n{}", sections.join("\n")))
    });
    [index()].into_iter().chain(pages).collect()
}

fn index() -> Page {
    let sections = Kind::ALL.map(|kind| {
        let rows = entries().filter(|entry| entry.kind == kind);
        let rows: String = rows.map(|entry| format!("| [`{0}`]({0}.md) | {1} |\n", entry.code, entry.title)).collect();
        format!("## {}\n\n{}\n\n| code | meaning |\n|---|---|\n{rows}", heading(kind), kind.about())
    });
    Page::new(format!("{ERRORS}/index.md"), &format!("# Errors\n\n{INTRODUCTION}\n{}", sections.join("\n")))
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Refusal => "Refusals",
        Kind::Client => "Errors of clients",
        Kind::Python => "Errors of the Python package",
        Kind::Outcome => "Outcomes",
        Kind::Tool => "Failures of tool calls",
        Kind::Violation => "Violations",
    }
}

fn section(entry: &Entry) -> String {
    let mut text = format!("## {}\n\n{}\n\n{}\n", entry.title, entry.kind.about(), linked(entry.happened));
    for (title, points) in [("Likely causes", entry.causes), ("What to do", entry.remedies)] {
        if !points.is_empty() {
            let points: String = points.iter().map(|point| format!("- {}\n", linked(point))).collect();
            text += &format!("\n**{title}**\n\n{points}");
        }
    }
    let places = entry.places();
    if !places.is_empty() {
        text += &format!("\n**Where it is met**\n\n{}", table(&places));
    }
    if entry.retryable {
        text += "\nNothing ran, and the same request may succeed later, unchanged.\n";
    }
    text
}

/// With a link for each setting.
fn linked(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => match configuration::anchor(part) {
            Some(anchor) => format!("[`{part}`](../reference/configuration.md#{anchor})"),
            None => format!("`{part}`"),
        },
    });
    parts.collect()
}
