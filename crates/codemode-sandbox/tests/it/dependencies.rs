//! What runs beside hostile code stays small: neither an async runtime nor network or command-line code is linked.

use std::process::Command;

const PRIVILEGED: [&str; 4] = ["codemode-guest", "codemode-sandbox", "codemode-wire", "codemode-types"];
const FORBIDDEN: [&str; 8] = ["tokio", "tonic", "prost", "hyper", "axum", "rustls", "clap", "tracing"];

#[test]
fn the_privileged_path_links_no_runtime() {
    for root in PRIVILEGED {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", root])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        let linked: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(linked.contains(&"libc") || linked.contains(&"thiserror"), "{tree}");
        let found: Vec<_> = FORBIDDEN.iter().filter(|name| linked.contains(name)).collect();
        assert!(found.is_empty(), "{root} links {found:?}");
    }
}
