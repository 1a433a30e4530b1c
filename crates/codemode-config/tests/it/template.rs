//! The files that `codemode init` writes.

use codemode_config::{Side, schema, template};

use crate::support::{file, nothing};

/// Without the keys that were given, which are what differs.
fn effective(mut document: serde_json::Value) -> serde_json::Value {
    for key in ["set", "base_dir"] {
        document.as_object_mut().unwrap().remove(key);
    }
    document
}

#[test]
fn what_is_written_is_the_default() {
    let sidecar = file(&template(Side::Sidecar));
    assert_eq!(effective(sidecar.load().to_value()), effective(nothing().load().to_value()));
    let client = file(&template(Side::Client));
    assert_eq!(effective(client.client().to_value()), effective(nothing().client().to_value()));
}

/// An address and a key do not make what is written out contradict them.
#[test]
fn the_clients_file_serves_every_address() {
    for url in ["https://executor.example", "http://127.0.0.1:8001", "unix:/run/codemode.sock"] {
        let config = file(&template(Side::Client)).env("CODEMODE_EXECUTOR_URL", url).client();
        assert_eq!((config.executor_url.as_deref(), config.policy), (Some(url), None));
    }
}

/// Without their comment signs, the examples are a configuration as well: each line alone, and its key is known.
#[test]
fn every_example_is_a_setting() {
    for side in Side::BOTH {
        let text = template(side);
        let keys = side.keys();
        let mut count = 0;
        for wanted in &keys {
            let path: Vec<_> = wanted.key.split('.').collect();
            let Some(lines) = uncommented(&text, &path) else { continue };
            count += 1;
            let case = file(&lines.join("\n")).env("CODEMODE_API_KEY", "k").env("CODEMODE_EXECUTOR_API_KEY", "k");
            let (given, said) = match side {
                Side::Client => (case.try_client().map(|it| it.given), "client"),
                Side::Sidecar => (case.try_load().map(|it| it.given), "sidecar"),
            };
            match given {
                Ok(given) => assert!(given.contains(&wanted.key), "{said} {lines:?}"),
                // Half a pair, or a setting of mode restricted.
                Err(problem) => assert!(!problem.contains("unknown") && !problem.contains("found"), "{said} {problem}"),
            }
        }
        let written = text.lines().filter(|line| is_key(line)).count();
        assert!(count > 20 && written >= count, "{count} keys in {written} lines");
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert!(jsonschema::draft202012::new(&schema(Some(side))).unwrap().is_valid(&value));
    }
}

/// The key's line and the headings above it, without comment signs; each has its indentation then.
fn uncommented(text: &str, path: &[&str]) -> Option<Vec<String>> {
    let mut lines = text.lines().filter(|line| is_key(line)).map(plain);
    let mut found = Vec::new();
    for (depth, name) in path.iter().enumerate() {
        let start = format!("{}{name}:", "  ".repeat(depth));
        // Not in another section.
        let mut inside = lines.by_ref().take_while(|line| line.starts_with(&"  ".repeat(depth)));
        found.push(inside.find(|line| line.starts_with(&start))?);
    }
    Some(found)
}

fn plain(line: &str) -> String {
    line.replacen("# ", "", 1)
}

/// A setting or a heading, commented or not, and no sentence.
fn is_key(line: &str) -> bool {
    let plain = plain(line);
    let name = plain.trim_start().split(':').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name && plain.contains(':') && !plain.trim_start().starts_with('#') && !line.contains("# network.mode is")
}

#[test]
fn the_clients_file() {
    insta::assert_snapshot!(template(Side::Client));
}

#[test]
fn the_executors_file() {
    insta::assert_snapshot!(template(Side::Sidecar));
}
