//! Every code that the sources say has its entry in the catalogue, and the catalogue has no other. The sources are read
//! as text, since most of these words are Python's, or stand in one place of a function.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use codemode_types::catalogue::{Entry, Kind, entries};

type Words = BTreeSet<String>;

/// Exceptions of Python that clients raise in a tool's name.
const PYTHONS_OWN: [&str; 3] = ["RuntimeError", "TypeError", "ValueError"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A source, or those of a whole folder: in one line, without comments and tests.
fn source(path: &str) -> String {
    let mut text = String::new();
    let mut paths = vec![root().join(path)];
    while let Some(path) = paths.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if (name.ends_with(".rs") || name.ends_with(".py")) && !name.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default().lines().map(str::trim);
            code.filter(|line| !line.starts_with("//")).for_each(|line| text.extend([line, " "]));
        }
    }
    assert!(!text.is_empty(), "nothing is in {path}");
    text.replace("( \"", "(\"")
}

/// The words in quotes that follow one of these.
fn words(text: &str, before: &[&str]) -> Words {
    let quoted = |before: &&str| -> Words {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    before.iter().flat_map(quoted).filter(|word| !word.contains(['{', '}', ' '])).collect()
}

/// What follows the head of a function.
fn body(text: &str, head: &str) -> String {
    let body = text.split(head).nth(1).unwrap_or_else(|| panic!("no {head}"));
    body.split(" fn ").next().unwrap_or_default().to_owned()
}

/// The classes of a module whose names begin so.
fn classes(path: &str, beginning: &str) -> Words {
    let text = source(path);
    let names = text.split(" class ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name);
    names.filter(|name| name.starts_with(beginning) && !name.contains(' ')).map(str::to_owned).collect()
}

fn listed(wanted: impl Fn(&Entry) -> bool) -> Words {
    entries().filter(|entry| wanted(entry)).map(|entry| entry.code.to_owned()).collect()
}

fn of(kind: Kind) -> Words {
    listed(|entry| entry.kind == kind)
}

#[test]
fn errors_of_clients() {
    let error = source("crates/codemode-client/src/error.rs");
    let tls = source("crates/codemode-client/src/tls/problem.rs");
    let embedded = source("crates/codemode-cli/src/embedded.rs");
    let mut said = words(&body(&error, "pub fn code(&self)"), &["=> \""]);
    said.extend(words(&body(&tls, "pub fn code(&self)"), &["=> \""]));
    said.extend(words(&error, &["Self::Embedded { code: \""]));
    said.extend(words(&embedded, &["else { \""]));
    assert_eq!(said, of(Kind::Client));
}

#[test]
fn errors_of_the_python_package() {
    let mut said = words(&source("python/codemode"), &["_default_code = \"", " code=\""]);
    said.extend(words(&source("crates/codemode-python/src/errors.rs"), &["NativeError::new_err((\""]));
    // Of what native code refuses only this keeps its own word; see `_registry.py`.
    said.extend(words(&body(&source("crates/codemode-python/src/texts.rs"), "fn render_stubs"), &["refused(\""]));
    let elsewhere = listed(|entry| matches!(entry.kind, Kind::Client | Kind::Refusal));
    assert_eq!(said.difference(&elsewhere).cloned().collect::<Words>(), of(Kind::Python));
}

#[test]
fn exceptions_are_those_of_the_package() {
    // What a tool raises has no code.
    let mut there = classes("python/codemode/_errors.py", "");
    there.remove("ToolError");
    let named: Words = entries().filter_map(|entry| entry.python).map(str::to_owned).collect();
    assert_eq!(named, there);
}

#[test]
fn an_exceptions_own_code_names_it() {
    let text = source("python/codemode/_errors.py");
    for class in text.split(" class ").skip(1) {
        let name = class.split('(').next().unwrap_or_default();
        // The base of all stands for what has no class of its own.
        for code in words(class, &["_default_code = \""]).iter().filter(|_| name != "CodemodeError") {
            assert!(entries().any(|entry| entry.code == code && entry.python == Some(name)), "{code} of {name}");
        }
    }
}

#[test]
fn failures_of_tool_calls() {
    let mut said = words(&source("crates/codemode-guest/py"), &["error_type=\"", "error_type: str = \""]);
    said.extend(words(&source("python/codemode/_failure.py"), &[" kind = \"", "kind, message, near = \""]));
    // Exceptions that are told by their own names.
    said.extend(classes("python/codemode/_tool.py", "Invalid"));
    said.extend(classes("python/codemode/_approval.py", "ApprovalDenied"));
    said.insert("ToolCheckError".into());
    for folder in ["engine", "server", "client", "python", "cli"] {
        let text = source(&format!("crates/codemode-{folder}/src"));
        said.extend(words(&text, &["ToolFailure::new(\"", "self.too_large(\"", "NoTools { error_type: \""]));
    }
    let of_outcomes: Words =
        entries().filter(|it| it.kind == Kind::Outcome).filter_map(|it| it.error_type).map(str::to_owned).collect();
    said.retain(|word| !PYTHONS_OWN.contains(&word.as_str()) && !of_outcomes.contains(word));
    assert_eq!(said, of(Kind::Tool));
}

#[test]
fn violations() {
    let mut said = words(&source("crates/codemode-guest/py"), &["_refuse(\"", "violation(\""]);
    let engine = source("crates/codemode-engine/src");
    said.extend(words(
        &engine,
        &[" violation(\"", "by_supervisor(\"", "NETWORK_VIOLATION: &str = \"", "const KIND: &str = \""],
    ));
    assert_eq!(said.difference(&of(Kind::Outcome)).cloned().collect::<Words>(), of(Kind::Violation));
}
