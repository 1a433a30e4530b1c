//! `codemode validate` and `codemode config check`: what is said of a file, and of what stands around it.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use serde_json::{Value, json};

use crate::support::{Ran, command};

struct Case {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

fn folder(files: &[(&str, &str)]) -> Case {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Case { folder, environment: Vec::new() }
}

impl Case {
    fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Both commands, which are one.
    fn validate(&self, arguments: &[&str]) -> Ran {
        let run = |words: &[&str]| -> Ran {
            let mut command = command(&[words, arguments].concat());
            command.envs(self.environment.iter().copied()).current_dir(self.folder.path()).output().unwrap().into()
        };
        let (ran, same) = (run(&["validate"]), run(&["config", "check"]));
        assert_eq!((ran.exit, &ran.stdout, &ran.stderr), (same.exit, &same.stdout, &same.stderr));
        ran
    }
}

/// As the documents have it, with a mistake for each reader.
const SEEDS: &str = "\
executor:
  url: http://executor:8001
  api_key: ${CODEMODE_API_KEY}
  timeout: 3000
  execution:
    allowed_commands: [grep, /bin/rm]
  network:
    mode: none
    ports: [22]
  limit:
    code_timeout: 30
port: 99999
";

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let ran = folder(&[("codemode.yaml", SEEDS), ("codemode-client.yaml", "timeout: 5\n")]).validate(&[]);
    assert_eq!(ran.exit, 64);
    insta::assert_snapshot!(ran.stdout, @"codemode-client.yaml: valid: client with an executor of its own; no commands; network none; 30 s and 512 MiB for the code");
    insta::assert_snapshot!(ran.stderr, @"
    codemode: configuration:
      codemode.yaml:3: executor.api_key: the environment variable CODEMODE_API_KEY is not set; write ${CODEMODE_API_KEY:-…} for a default
      codemode.yaml:4: executor.timeout: must be a number of seconds from 1 to 600, found the number 3000
      codemode.yaml:6: execution.allowed_commands: `/bin/rm` is not a command name; write names, not paths
      codemode.yaml:9: network.ports: has no effect while network.mode is none; set the mode to restricted, or leave this out
      codemode.yaml:10: executor.limit: unknown key; did you mean `limits`?
      codemode.yaml:12: port: must be a port from 0 to 65535, found the number 99999
    ");
}

#[test]
fn what_cannot_be_read_is_said() {
    let case = folder(&[("broken.yaml", "a: [1\nkey: hunter-2-secret\n")]);
    let ran = case.validate(&["broken.yaml", "missing.yaml"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    assert!(!ran.stderr.contains("hunter"), "{}", ran.stderr);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines[1].starts_with("  broken.yaml:") && lines[1].contains(": this is not YAML: "), "{lines:?}");
    assert_eq!(lines[2], "  missing.yaml: cannot be read: No such file or directory (os error 2)");
    let ran = folder(&[]).validate(&[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @"codemode: there is no codemode-client.yaml, codemode-sidecar.yaml or codemode.yaml in this folder: `codemode init` writes them, or name a file");
}

#[test]
fn a_file_is_read_as_its_side_would_or_as_it_is_asked() {
    let case =
        folder(&[("a.yaml", "executor_url: http://x\n"), ("b.yaml", "limits: {cpus: 2}\n"), ("c.yaml", "port: 0\n")]);
    let ran = case.validate(&["a.yaml", "b.yaml", "--config", "c.yaml"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout, @"
    a.yaml: valid: client of http://x, without a key
    b.yaml: valid: client with an executor of its own; no commands; network none; 30 s and 512 MiB for the code
    b.yaml: valid: executor on 127.0.0.1:8001, without TLS, without an API key; no commands; network none; 30 s and 512 MiB for the code
    c.yaml: valid: executor on 127.0.0.1:0, without TLS, without an API key; no commands; network none; 30 s and 512 MiB for the code
    ");
    let ran = case.validate(&["b.yaml", "--kind", "client"]);
    assert_eq!((ran.exit, ran.stdout.lines().count()), (0, 1));
}

/// As `codemode serve` says it, before it listens.
#[test]
fn files_that_a_setting_names_are_read() {
    let case = folder(&[("a.yaml", "tls: {cert_file: none.pem, key_file: none-key.pem}\n")]);
    let ran = case.validate(&["a.yaml"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    let place = case.folder.path().display().to_string();
    insta::assert_snapshot!(ran.stderr.replace(&place, "."));
}

#[test]
fn the_environment_counts_unless_it_is_left_out() {
    let file = "port: ${PORT}\nlimits:\n  memory_limit: ${MEMORY:-64m}\n  cpus: fast\n";
    let case =
        folder(&[("a.yaml", file), (".env", "CODEMODE_HOST=::1\n")]).env("CODEMODE_PROT", "1").env("PORT", "many");
    let ran = case.validate(&["a.yaml"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @r#"
    codemode: warning: CODEMODE_PROT: is the variable of no setting; did you mean `CODEMODE_PORT`?
    codemode: configuration:
      a.yaml:1: port: must be a port from 0 to 65535, found the text "many"
      a.yaml:4: limits.cpus: expected a number, found the text "fast"
    "#);
    let ran = case.validate(&["a.yaml", "--no-env"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @r#"
    codemode: warning: a.yaml:1: port: the environment variable PORT is not set; write ${PORT:-…} for a default
    codemode: configuration: a.yaml:4: limits.cpus: expected a number, found the text "fast"
    "#);
    let case = folder(&[("a.yaml", "api_key: ${KEY}\n")]);
    let ran = case.validate(&["a.yaml", "--no-env"]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "a.yaml: valid as far as the file alone can tell\n"));
    assert_eq!(case.validate(&["a.yaml", "--no-env", "--show"]).exit, 64, "what cannot be known cannot be shown");
}

#[test]
fn what_it_comes_to_is_shown_with_its_origins_and_without_secrets() {
    let file = "executor:\n  api_key: hunter-2-secret\n  limits: {memory_limit: 64m}\nport: 9\n";
    let case = folder(&[("a.yaml", file), (".env", "CODEMODE_AUDIT=audit.jsonl\n")]).env("CODEMODE_PORT", "10");
    let ran = case.validate(&["a.yaml", "--show", "--kind", "sidecar"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert!(!ran.stdout.contains("hunter"));
    insta::assert_snapshot!(ran.stdout.replace(&case.folder.path().display().to_string(), "/folder"));
    let ran = case.validate(&["a.yaml", "--show", "--json"]);
    assert!(ran.exit == 0 && !ran.stdout.contains("hunter"));
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let settings = document["files"][0]["effective"]["sidecar"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|it| it["key"] == key).unwrap().clone();
    assert_eq!(of("port"), json!({"key": "port", "value": 10, "origin": "CODEMODE_PORT"}));
    assert_eq!(of("api_key"), json!({"key": "api_key", "value": "…", "origin": "a.yaml:2"}));
    assert_eq!(of("queue"), json!({"key": "queue", "value": 256, "origin": "default"}));
}

#[test]
fn a_program_reads_one_document() {
    let case = folder(&[("a.yaml", "prt: 1\n"), ("b.yaml", "timeout: 5\n")]).env("CODEMODE_LOG_LEVL", "x");
    let ran = case.validate(&["a.yaml", "b.yaml", "--json"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (64, ""));
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let warning = json!({
        "file": null, "line": null, "key": "CODEMODE_LOG_LEVL",
        "message": "is the variable of no setting; did you mean `CODEMODE_LOG_LEVEL`?",
    });
    let wrong = json!({"file": "a.yaml", "line": 1, "key": "prt", "message": "unknown key; did you mean `port`?"});
    assert_eq!(
        document,
        json!({"valid": false, "files": [
            {"file": "a.yaml", "sides": ["client", "sidecar"], "valid": false, "problems": [wrong], "warnings": [warning]},
            {"file": "b.yaml", "sides": ["client"], "valid": true, "problems": [], "warnings": [warning]},
        ]})
    );
}

#[test]
fn a_folder_whose_name_is_no_text_is_shown_as_it_can_be() {
    let case = folder(&[]);
    let odd = case.folder.path().join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("a.yaml"), "port: 9\nfilesystem: {workspace: {mount: here}}\n").unwrap();
    fs::write(odd.join("b.yaml"), "prt: 9\n").unwrap();
    for kind in ["client", "sidecar"] {
        let validate = |name: &str| {
            let mut command = command(&["validate", "--show", "--json", "--kind", kind]);
            let output = command.arg(odd.join(name)).output().unwrap();
            (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
        };
        let (exit, document) = validate("a.yaml");
        assert_eq!(exit, Some(0), "{document:#}");
        assert!(document["files"][0]["file"].as_str().unwrap().ends_with("odd\u{fffd}/a.yaml"));
        let (exit, document) = validate("b.yaml");
        assert_eq!((exit, &document["files"][0]["problems"][0]["line"]), (Some(64), &json!(1)));
    }
}

/// What `codemode serve` would refuse here and now, where the file itself is right.
#[test]
fn a_port_that_would_not_be_opened_is_warned_of() {
    let open = "host: 0.0.0.0\ntls: {required: true}\n";
    let ran = folder(&[("a.yaml", open)]).validate(&["a.yaml"]);
    assert_eq!(ran.exit, 0);
    insta::assert_snapshot!(ran.stderr, @"codemode: warning: `codemode serve` would not start: 0.0.0.0:8001 can be reached from other machines and no API key is set: set CODEMODE_API_KEY (or api_key in the configuration file), or listen on 127.0.0.1 or on a Unix socket");
    let ran = folder(&[("a.yaml", open)]).env("CODEMODE_API_KEY", "k").validate(&["a.yaml"]);
    assert!(ran.exit == 0 && ran.stderr.contains("0.0.0.0:8001 can be reached from other machines and tls.required"));
    assert_eq!(folder(&[("a.yaml", open)]).validate(&["a.yaml", "--no-env"]).stderr, "");
}

#[test]
fn a_pipe_is_refused_as_it_can_be_read_but_once() {
    let ran = folder(&[]).validate(&["/dev/stdin", "."]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    insta::assert_snapshot!(ran.stderr, @"
    codemode: configuration:
      /dev/stdin: is no regular file, which can be read more than once
      .: is no regular file, which can be read more than once
    ");
}
