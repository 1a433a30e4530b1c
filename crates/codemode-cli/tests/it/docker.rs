//! `codemode docker` where there is no engine to be had, and the arguments that a person gets wrong. With an engine:
//! tests/docker/test_command.py.

use std::{
    fs,
    io::BufReader,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process_group},
};

use crate::support::{Ran, codemode, command, line_with};

const ENGINE_COMMANDS: [&str; 7] = ["check", "build", "start", "stop", "remove", "status", "env"];

/// A `docker` that says what the real one says where it fails.
fn with_docker(said: &str, arguments: &[&str]) -> Ran {
    with_docker_at("unix:///run/there.sock", said, arguments)
}

fn with_docker_at(address: &str, said: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let context = format!(r#"[ "$1" = context ] && {{ echo {address}; exit; }}"#);
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
    let far = "ssh://me@there";
    let refusal = "error during connect: command [ssh there] has exited: Permission denied (publickey).";
    insta::assert_snapshot!(refused(|words| with_docker_at(far, refusal, words)), @"codemode: docker: the engine at ssh://me@there cannot be used: error during connect: command [ssh there] has exited: Permission denied (publickey).");
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

/// A `docker` of an engine at `address` that knows no container yet; `create` is what it does then.
fn engine(folder: &Path, address: &str, create: &str) -> std::process::Command {
    script(
        &folder.join("docker"),
        &format!(
            r#"case "$1" in
            context) echo {address} ;;
            version) echo 28.0.0 ;;
            info) [ "$3" = "{{{{json .}}}}" ] && echo '{{"OSType": "linux"}}' || echo 2 name=seccomp ;;
            image) ;;
            rm) echo "$@" >> "{asked}" ;;
            create) {create} ;;
            container)
                if [ ! -e "{made}" ]; then echo "Error response from daemon: No such container: $3" >&2; exit 1; fi
                cat "{made}" ;;
            esac"#,
            asked = folder.join("asked").display(),
            made = folder.join("made").display(),
        ),
    );
    let mut start = command(&["docker", "start", "--name", "mine"]);
    start.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("HOME", folder).env_remove("XDG_STATE_HOME");
    start
}

fn key(folder: &Path) -> PathBuf {
    folder.join(".local/state/codemode/docker/mine/api_key")
}

#[test]
fn what_docker_refuses_is_told_without_its_advice() {
    let folder = tempfile::tempdir().unwrap();
    let advice =
        "printf 'unknown flag: --foo\\n\\nUsage:  docker create\\n\\nRun docker create --help\\n' >&2; exit 125";
    let ran = Ran::from(engine(folder.path(), "unix:///run/there.sock", advice).output().unwrap());
    insta::assert_snapshot!(ran.stderr, @"codemode: docker cannot make mine: unknown flag: --foo");
    assert!(ran.exit == 69 && !key(folder.path()).exists());
}

#[test]
fn an_engine_elsewhere_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::from(engine(folder.path(), "ssh://me@there", "true").output().unwrap());
    insta::assert_snapshot!(ran.stderr, @"codemode: docker: the engine at ssh://me@there is on another machine, and the executor's key and folders are mounted from this one; name one here");
    assert!(ran.exit == 69 && !folder.path().join(".local").exists());
    let check =
        command(&["docker", "check"]).env("PATH", format!("{}:/usr/bin:/bin", folder.path().display())).output();
    let check = Ran::from(check.unwrap());
    assert!(check.exit == 69 && check.stdout.contains("! machine          on another machine, "), "{}", check.stdout);
}

#[test]
fn ctrl_c_ends_a_start_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    // The engine makes it while nobody waits any more.
    let made = serde_json::json!([{
        "Name": "/mine", "State": {"Status": "created", "ExitCode": 0},
        "Config": {"Image": "i", "Labels": {"codemode.docker.start": "{}"}},
        "Mounts": [{"Source": key(folder.path()), "Destination": "/run/secrets/codemode_api_key"}],
        "NetworkSettings": {"Ports": {}},
    }]);
    fs::write(place("making"), made.to_string()).unwrap();
    for gate in ["under_way", "go_on"] {
        mknodat(CWD, place(gate), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }
    let create = r#"cd "$HOME"; echo > under_way; read -r _ < go_on; mv making made"#;
    let mut start = engine(folder.path(), "unix:///run/there.sock", create);
    let child = start.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap();
    fs::read(place("under_way")).unwrap();
    assert!(key(folder.path()).exists());
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    fs::write(place("go_on"), "\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.exit, ran.stderr.as_str()), (130, "codemode: interrupted\n"));
    assert_eq!(fs::read_to_string(place("asked")).unwrap(), "rm --force --volumes mine\n");
    assert!(!key(folder.path()).exists());
}

#[test]
fn a_build_that_leaves_the_engine_without_the_image_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let image = r#"[ "$1" != image ] || { echo "Error response from daemon: No such image: $5" >&2; exit 1; }"#;
    script(&folder.path().join("docker"), image);
    let ran: Ran = command(&["docker", "build"]).env("PATH", folder.path()).output().unwrap().into();
    insta::assert_snapshot!(ran.stderr, @"codemode: docker built codemode/executor:latest, and the engine does not have it; a builder of its own (`docker buildx ls`) hands it over with `-- --load`");
    assert_eq!((ran.exit, ran.stdout.as_str()), (69, ""));
}

#[test]
fn an_image_and_an_option_that_docker_would_take_for_others() {
    for words in [["build", "--image=-x"], ["build", "--base=a b"], ["check", "--image="], ["start", "--image=--rm"]] {
        let ran = codemode(&[&["docker"], words.as_slice()].concat());
        assert_eq!(ran.exit, 64, "{}", ran.stderr);
        assert!(ran.stderr.contains("an image's name") || ran.stderr.contains("a value is required"), "{}", ran.stderr);
    }
    for words in [["--name=other", "x"], ["--name", "other"]] {
        let ran = codemode(&[&["docker", "start", "--"], words.as_slice()].concat());
        assert!(ran.exit == 64 && ran.stderr.contains("in front of `--`"), "{}", ran.stderr);
    }
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
