//! `.env`: variables for this product, in a file that may be other programs' as well.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use adotenv::{DiagnosticCode, Severity};
use codemode_types::{Place, Problem};

use crate::environment::Variable;

/// Everything else in the file is somebody else's.
pub(crate) const PREFIX: &str = "CODEMODE_";

/// A file that does not exist says nothing; neither does what only has the name, such as a virtual environment's folder.
pub(crate) fn read(path: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Variable> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return BTreeMap::new();
    }
    match fs::read(path) {
        // Others may have written what is no UTF-8 beside what is ours.
        Ok(text) => variables(path, &String::from_utf8_lossy(&text), problems),
        Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            problems.push(Problem::new(path.display().to_string(), format!("cannot be read: {error}")));
            BTreeMap::new()
        }
    }
}

/// Values are literal: nothing in them is expanded.
fn variables(path: &Path, text: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, Variable> {
    let (document, diagnostics) = adotenv::parse(text);
    let place = |line: usize| Some(Place { file: path.into(), line: line as u64 });
    for diagnostic in diagnostics {
        let line = text.lines().nth(diagnostic.line().saturating_sub(1)).unwrap_or_default();
        let line = line.trim_start().trim_start_matches("export ").trim_start();
        if !line.starts_with(PREFIX) {
            continue;
        }
        // The line may hold a secret; its name does not.
        let name: String = line.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
        let message = match (diagnostic.code(), diagnostic.severity()) {
            (DiagnosticCode::DuplicateKey, _) => "is given twice; keep one",
            (DiagnosticCode::UnterminatedQuote, _) => "has a quote that does not end",
            (_, Severity::Error) => "cannot be read; write NAME=value, with quotes where the value has spaces or `#`",
            _ => continue,
        };
        problems.push(Problem::new(name, message).at(place(diagnostic.line())));
    }
    let ours = document.effective_entries().filter(|entry| entry.key().starts_with(PREFIX));
    ours.filter_map(|entry| {
        let value = entry.entry().value()?.to_owned();
        Some((entry.key().to_owned(), Variable { value, place: place(entry.line()) }))
    })
    .collect()
}
