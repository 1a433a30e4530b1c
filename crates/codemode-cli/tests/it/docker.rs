//! `codemode docker` where there is no engine to be had, and the arguments that a person gets wrong. With an engine:
//! tests/docker/test_command.py.

use std::{
    fs,
    io::BufReader,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{Ran, codemode, command, line_with};

const ENGINE_COMMANDS: [&str; 7] = ["check", "build", "start", "stop", "remove", "status", "env"];

/// A `docker` that says what the real one says where it fails.
fn with_docker(said: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let context = r#"[ "$1" = context ] && { echo unix:///run/there.sock; exit; }"#;
    script(&folder.path().join("docker"), &format!("{context}\necho \"{said}\" >&2\nexit 1"));
    command(&[&["docker"], arguments].concat()).env("PATH", folder.path()).output().unwrap().into()
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The one line of each command.
fn refused(run: impl Fn(&[&str]) -> Ran) -> String {
    let mut lines: Vec<_> = ENGINE_COMMANDS
        .iter()
        .map(|name| {
            let ran = run(&[name]);
            assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.lines().count()), (69, "", 1), "{}", ran.stderr);
            ran.stderr
        })
        .collect();
    lines.dedup();
    lines.concat()
}

#[test]
fn without_an_engine_each_command_says_so_in_one_line() {
    let nowhere = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(refused(|words| {
        command(&[&["docker"], words].concat()).env("PATH", nowhere.path()).output().unwrap().into()
    }), @"codemode: docker: there is no `docker` command on PATH; install Docker Engine 20.10 or newer, or serve without a container: codemode serve");
    let down = "Cannot connect to the Docker daemon at unix:///run/there.sock. Is the docker daemon running?";
    insta::assert_snapshot!(refused(|words| with_docker(down, words)), @"codemode: docker: no engine answers at unix:///run/there.sock; start it (sudo systemctl start docker), or name another with DOCKER_HOST or `docker context use`");
    let shut = "permission denied while trying to connect to the Docker daemon socket: dial unix: permission denied";
    insta::assert_snapshot!(refused(|words| with_docker(shut, words)), @"codemode: docker: this user may not use the engine at unix:///run/there.sock; run the command with sudo, or join the group that may (sudo usermod -aG docker $USER, then log in again)");
    let other = "Error response from daemon:\nclient version 9 is too new";
    insta::assert_snapshot!(refused(|words| with_docker(other, words)), @"codemode: docker: the engine at unix:///run/there.sock cannot be used: client version 9 is too new");
}

#[test]
fn ctrl_c_ends_a_build_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (programs, scratch) = (folder.path().join("programs"), folder.path().join("scratch"));
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&scratch).unwrap();
    let build = r#"[ "$1" != build ] || { echo under way; exec tail -f /dev/null; }"#;
    script(&programs.join("docker"), build);
    let mut child = command(&["docker", "build"])
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("TMPDIR", &scratch)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    line_with(&mut BufReader::new(child.stdout.take().unwrap()), "under way");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1);
    // As a terminal does: to all that run in front.
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.exit, ran.stderr.lines().count()), (69, 1), "{}", ran.stderr);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn a_name_is_one_that_an_engine_takes() {
    for name in ["../up", "-x", "a", "a b"] {
        let ran = codemode(&["docker", "status", &format!("--name={name}")]);
        assert_eq!(ran.exit, 64);
        assert!(ran.stderr.contains("must be 2 to 64 letters, digits, dots, dashes and underscores"), "{}", ran.stderr);
    }
}

#[test]
fn assets_need_no_engine_and_replace_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("sidecar");
    let write = |more: &[&str]| {
        let words = [&["docker", "assets", "--output", place.to_str().unwrap()], more].concat();
        command(&words).env("PATH", "").output().map(Ran::from).unwrap()
    };
    let shown = |text: &str| text.replace(place.to_str().unwrap(), "sidecar");
    let ran = write(&[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(shown(&ran.stdout));
    assert!(executable(&place.join("local/bin/codemode")) && !executable(&place.join("Dockerfile")));

    fs::write(place.join("codemode.yaml"), "mine").unwrap();
    fs::remove_file(place.join("Dockerfile")).unwrap();
    let ran = write(&[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (64, ""));
    assert!(ran.stderr.contains("sidecar/codemode.yaml") && ran.stderr.ends_with("--force replaces them\n"));
    assert!(!place.join("Dockerfile").exists() && fs::read_to_string(place.join("codemode.yaml")).unwrap() == "mine");
    assert_eq!(write(&["--force"]).exit, 0);
    assert_ne!(fs::read_to_string(place.join("codemode.yaml")).unwrap(), "mine");
}

fn executable(path: &Path) -> bool {
    path.metadata().unwrap().permissions().mode() & 0o111 != 0
}
