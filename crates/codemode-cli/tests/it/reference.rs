//! What the documentation says of the code is what the code says.

use std::{collections::BTreeSet, fs, path::Path};

#[path = "../../reference/mod.rs"]
mod pages;

const REMEDY: &str = "run `make docs-reference`, and commit what it writes";

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn generated_pages_are_fresh() {
    for page in pages::pages() {
        let written = fs::read_to_string(docs().join(&page.path)).unwrap_or_default();
        assert!(written == page.text, "docs/{} is stale: {REMEDY}", page.path);
    }
    assert_eq!(pages::stray(&docs()).unwrap(), [] as [std::path::PathBuf; 0], "these are of no code: {REMEDY}");
}

#[test]
fn options_that_are_named_for_keys_are_there() {
    let root = codemode_cli::command_line();
    let page = configuration();
    for (key, command, option) in pages::configuration::OPTIONS {
        let command = root.find_subcommand(command).unwrap();
        assert!(command.get_arguments().any(|it| it.get_long() == Some(option)), "--{option} of {key}");
        assert!(page.contains(&format!("<a id=\"{key}\"></a>")), "{key} is no key");
    }
}

#[test]
fn each_key_has_one_anchor() {
    let page = configuration();
    let anchors: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("<a id=\"")).collect();
    assert_eq!(anchors.iter().collect::<BTreeSet<_>>().len(), anchors.len());
    assert!(anchors.len() > 60, "{}", anchors.len());
}

fn configuration() -> String {
    pages::pages().into_iter().find(|page| page.path == "reference/configuration.md").unwrap().text
}
