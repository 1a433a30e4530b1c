//! The generated pages of the documentation: configuration, command line, error catalogue.

mod cli;
pub(crate) mod configuration;
mod errors;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The catalogue's folder: nobody else writes there.
const ERRORS: &str = "errors";
const NOTE: &str = "<!-- Generated from the code: `make docs-reference` writes this page. -->\n";

pub(crate) struct Page {
    /// Below `docs`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// Its first line is its heading, which has to come first for the site to call the page by it.
    fn new(path: impl Into<String>, body: &str) -> Self {
        let (heading, rest) = body.trim_end().split_once('\n').unwrap_or((body, ""));
        Self { path: path.into(), text: format!("{heading}\n\n{NOTE}{rest}\n") }
    }
}

/// All of them, as they should be.
pub(crate) fn pages() -> Vec<Page> {
    let mut pages = vec![configuration::page(), cli::page()];
    pages.extend(errors::pages());
    pages
}

/// Files in the catalogue's folder that are of no code any more.
pub(crate) fn stray(docs: &Path) -> io::Result<Vec<PathBuf>> {
    let known: Vec<PathBuf> = pages().into_iter().map(|page| docs.join(page.path)).collect();
    let folder = match fs::read_dir(docs.join(ERRORS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        folder => folder?,
    };
    let files: Vec<PathBuf> = folder.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    Ok(files.into_iter().filter(|file| !known.contains(file)).collect())
}

/// A table of two columns without a head.
fn table(rows: &[(&str, String)]) -> String {
    let rows: String = rows.iter().map(|(name, what)| format!("| {name} | {what} |\n")).collect();
    format!("| | |\n|---|---|\n{rows}")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
