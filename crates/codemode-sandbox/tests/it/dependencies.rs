//! What runs beside hostile code stays small: neither an async runtime nor network or command-line code is linked.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

const PRIVILEGED: [&str; 4] = ["codemode-guest", "codemode-sandbox", "codemode-wire", "codemode-types"];
const FORBIDDEN: [&str; 8] = ["tokio", "tonic", "prost", "hyper", "axum", "rustls", "clap", "tracing"];

/// Every package that normal builds of `root` link.
fn closure(metadata: &Value, root: &str) -> BTreeSet<String> {
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let start = *names.iter().find(|(_, name)| **name == root).unwrap().0;
    let (mut seen, mut pending) = (BTreeSet::new(), vec![start]);
    while let Some(id) = pending.pop() {
        if !seen.insert(names[id].to_owned()) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                pending.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    seen
}

#[test]
fn the_privileged_path_links_no_runtime() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    for root in PRIVILEGED {
        let linked = closure(&metadata, root);
        let found: Vec<_> = FORBIDDEN.iter().filter(|name| linked.contains(**name)).collect();
        assert!(found.is_empty(), "{root} links {found:?}");
    }
}
