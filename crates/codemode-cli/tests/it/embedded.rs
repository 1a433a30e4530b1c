//! `serve --embedded` as its parent speaks to it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, PermissionsExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{command, line_with, rest, signal};

struct Private {
    child: Child,
    lifeline: UnixStream,
}

fn private(request: &str) -> Private {
    let (lifeline, theirs) = UnixStream::pair().unwrap();
    let mut child = command(&["serve", "--embedded"]);
    let child = child.stdin(Stdio::from(OwnedFd::from(theirs))).stderr(Stdio::piped()).spawn().unwrap();
    (&lifeline).write_all(request.as_bytes()).unwrap();
    Private { child, lifeline }
}

fn request(socket: &Path, more: &Value) -> String {
    let mut request = json!({"socket": socket, "api_key": "k", "policy": null, "policy_path": null,
        "base_dir": "/", "interpreter": null});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{request}\n")
}

impl Private {
    fn answer(&self) -> Value {
        let mut line = String::new();
        BufReader::new(&self.lifeline).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The exit code, and what was on stderr.
    fn ended(mut self) -> (i32, String) {
        drop(self.lifeline);
        // The pipe ends with the last process that has it.
        let stderr = rest(self.child.stderr.take().unwrap());
        (self.child.wait().unwrap().code().unwrap(), stderr)
    }
}

#[test]
fn it_serves_its_parent_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let private = private(&request(&socket, &json!({})));
    assert_eq!(private.answer(), json!({"ok": true}));
    let job = folder.path().join("job.py");
    std::fs::write(&job, "6 * 7").unwrap();
    let url = format!("unix:{}", socket.display());
    let run = |key: &str| {
        let mut command = command(&["run", job.to_str().unwrap(), "--url", &url]);
        command.env("CODEMODE_EXECUTOR_API_KEY", key).output().unwrap()
    };
    assert_eq!(run("k").stdout, b"42\n");
    assert_eq!(run("wrong").status.code(), Some(69));
    let (exit, stderr) = private.ended();
    assert!(exit == 0 && stderr.contains("wrong or missing API key") && stderr.lines().count() == 1, "{exit} {stderr}");
    assert!(!socket.exists());
}

#[test]
fn it_stops_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let mut private = private(&request(&socket, &json!({})));
    assert_eq!(private.answer()["ok"], true);
    signal(&private.child, Signal::TERM);
    assert_eq!(private.child.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

/// A folder as a client library makes it.
fn private_folder(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.join(name);
    fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
    folder
}

#[test]
fn the_private_folder_of_its_socket_goes_with_it() {
    let parent = tempfile::tempdir().unwrap();
    for end in [None, Some(Signal::TERM)] {
        let folder = private_folder(parent.path(), "codemode-x1");
        let private = private(&request(&folder.join("s"), &json!({})));
        assert_eq!(private.answer()["ok"], true);
        end.into_iter().for_each(|end| signal(&private.child, end));
        assert_eq!(private.ended(), (0, String::new()));
        assert!(!folder.exists(), "{end:?}");
    }
}

#[test]
fn nobody_elses_folder_goes() {
    let parent = tempfile::tempdir().unwrap();
    let (other, shared, full) = (
        private_folder(parent.path(), "other"),
        private_folder(parent.path(), "codemode-shared"),
        private_folder(parent.path(), "codemode-full"),
    );
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(full.join("file"), "").unwrap();
    for folder in [other, shared, full] {
        let private = private(&request(&folder.join("s"), &json!({})));
        assert_eq!(private.answer()["ok"], true);
        assert_eq!(private.ended(), (0, String::new()));
        assert!(folder.exists() && !folder.join("s").exists(), "{}", folder.display());
    }
}

#[test]
fn its_end_under_running_code_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let private = private(&request(&socket, &json!({})));
    assert_eq!(private.answer()["ok"], true);
    let job = folder.path().join("job.py");
    fs::write(&job, "import time\nprint('up', flush=True)\ntime.sleep(600)").unwrap();
    let url = format!("unix:{}", socket.display());
    let mut caller = command(&["run", job.to_str().unwrap(), "--url", &url]);
    caller.env("CODEMODE_EXECUTOR_API_KEY", "k").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut caller = caller.spawn().unwrap();
    line_with(&mut BufReader::new(caller.stdout.take().unwrap()), "up");
    assert_eq!(private.ended(), (0, String::new()));
    assert_ne!(caller.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_policy_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    for policy in [
        json!({"policy": {"limts": {}}}),
        json!({"policy": {"port": 8001}}),
        json!({"policy": {"network": {"allowed_domains": ["a.example"]}}}),
        json!({"policy_path": "/nowhere.yaml"}),
        json!({"policy": {"execution": {"allowed_commands": ["no-such-command"]}}}),
        json!({"policy": {"network": {"mode": "restricted", "ports": [0]}}}),
        json!({"policy": {"filesystem": {"workspace": {"mount": "nowhere"}}}}),
    ] {
        let private = private(&request(&socket, &policy));
        let answer = private.answer();
        assert_eq!((&answer["ok"], &answer["code"]), (&false.into(), &"policy".into()), "{answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
        assert_eq!(private.ended(), (64, String::new()));
    }
}

#[test]
fn a_start_that_fails_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    for wrong in [json!({"interpreter": "/nowhere/python"}), json!({"api_key": ""}), json!({"surprise": 1})] {
        let private = private(&request(&socket, &wrong));
        let answer = private.answer();
        assert_eq!((&answer["ok"], &answer["code"]), (&false.into(), &"embedded_start".into()), "{answer}");
        assert_eq!(private.ended(), (69, String::new()));
    }
    let private = private("no line");
    drop(private.lifeline.shutdown(std::net::Shutdown::Write));
    assert_eq!(private.answer()["code"], "embedded_start");
    assert_eq!(private.ended(), (69, String::new()));
}

#[test]
fn variables_of_a_file_come_with_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("codemode.yaml");
    std::fs::write(&file, "executor:\n  api_key: ${NOT_HERE}\n  filesystem: {workspace: {mount: '${DATA}'}}\n")
        .unwrap();
    let socket = folder.path().join("s");
    let more = json!({"policy_path": file, "environment": {"DATA": "/usr/share"}});
    let private = private(&request(&socket, &more));
    assert_eq!(private.answer(), json!({"ok": true}));
    assert_eq!(private.ended(), (0, String::new()));
}
