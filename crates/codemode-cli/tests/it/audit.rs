//! The audit log as an operator sets it up, and what a terminal gets to see.

use std::{fs, process::Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    serve::{answer, post},
    support::{codemode, command, daemon, line_with, rest, run, serving, signal},
};

fn events(text: &str) -> Vec<String> {
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
    text.lines().map(event).collect()
}

#[test]
fn standard_output_carries_it_and_nothing_else() {
    let mut command = command(&["serve", "--port", "0"]);
    let mut daemon = serving(command.env("CODEMODE_AUDIT", "stdout").stdout(Stdio::piped()));
    assert_eq!(answer(post(&daemon, "6 * 7").0)["result"], 42);
    signal(&daemon.child, Signal::TERM);
    let audit = rest(daemon.child.stdout.take().unwrap());
    assert_eq!(events(&audit), ["daemon_start", "start", "end", "daemon_stop"]);
    let log = rest(&mut daemon.log);
    assert!(log.contains("execution finished") && !log.contains("daemon_stop"), "{log}");
}

#[test]
fn without_its_reader_nothing_runs() {
    let mut command = command(&["serve", "--port", "0"]);
    let mut daemon = serving(command.env("CODEMODE_AUDIT", "stdout").stdout(Stdio::piped()));
    drop(daemon.child.stdout.take());
    // The first one is under way before its line meets the closed pipe.
    let refused = loop {
        let answer = answer(post(&daemon, "1").0);
        if answer["result"] != 1 {
            break answer;
        }
    };
    assert_eq!((&refused["code"], &refused["status"]), (&"internal".into(), &500.into()), "{refused}");
    signal(&daemon.child, Signal::TERM);
    let log = rest(&mut daemon.log);
    assert!(log.contains("the audit log cannot be written") && log.contains("Broken pipe"), "{log}");
    assert!(log.contains("these lines are lost"), "{log}");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_leaves_no_execution_without_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let mut daemon = daemon(&["--port", "0", "--log-level", "debug"], &[("CODEMODE_AUDIT", path.to_str().unwrap())]);
    let _running = post(&daemon, "import time\ntime.sleep(600)");
    for (line, stop) in [("execution admitted", Signal::TERM), ("a second signal ends at once", Signal::TERM)] {
        line_with(&mut daemon.log, line);
        signal(&daemon.child, stop);
    }
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(events(&text), ["daemon_start", "start", "end", "daemon_stop"], "{text}");
}

#[test]
fn a_path_that_cannot_be_written_is_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    fs::write(&file, "port: 0\naudit: no/where.jsonl\n").unwrap();
    let missing = folder.path().join("no/where.jsonl");
    for arguments in [vec!["serve"], vec!["run", "/dev/null"]] {
        let ran = codemode(&[&arguments[..], &["--config", file.to_str().unwrap()]].concat());
        let said = format!("audit: cannot write {}: No such file or directory", missing.display());
        assert!(ran.exit == 64 && ran.stderr.contains(&said), "{}", ran.stderr);
    }
}

#[test]
fn an_executor_of_ones_own_keeps_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    fs::write(&file, "executor: {audit: a.jsonl}\n").unwrap();
    assert_eq!(run("6 * 7", &["--config", file.to_str().unwrap()]).stdout, "42\n");
    let text = fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    assert_eq!(events(&text), ["daemon_start", "start", "end", "daemon_stop"]);
}

#[test]
fn what_the_code_chose_drives_no_terminal() {
    let ran = run("try: open('/etc/x\\n\\x1b[31mcodemode: \\x9b2J')\nexcept OSError: pass", &[]);
    let said = "codemode: unauthorized_path: /etc/x\\u000a\\u001b[31mcodemode: \\u009b2J\n";
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, said));
    let ran = run("raise ValueError('two\\nlines \\x1b[2J\\u202e')", &[]);
    assert!(ran.stderr.ends_with("ValueError: two\nlines \\u001b[2J\\u202e\n"), "{}", ran.stderr);
}
