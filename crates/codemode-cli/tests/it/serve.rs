use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::fd::OwnedFd,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open},
};
use serde_json::Value;

use crate::support::{Daemon, command, daemon, line_with, rest, signal};

pub(crate) fn post(daemon: &Daemon, code: &str) -> (TcpStream, String) {
    let body = serde_json::json!({"code": code}).to_string();
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    let head = "POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    (stream, body)
}

pub(crate) fn answer(mut stream: TcpStream) -> Value {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn serves_until_it_is_told_to_stop() {
    let mut daemon = daemon(&["--port", "0"], &[]);
    assert_eq!(answer(post(&daemon, "6 * 7").0)["result"], 42);
    line_with(&mut daemon.log, "execution finished");
    for stop in [Signal::TERM, Signal::INT] {
        signal(&daemon.child, stop);
        assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
        assert!(rest(&mut daemon.log).trim_end().ends_with("stopped"));
        daemon = crate::support::daemon(&["--port", "0"], &[]);
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_it() {
    let daemon = daemon(&["--port", "0", "--log-level", "debug"], &[]);
    rustix::pipe::fcntl_setpipe_size(daemon.log.get_ref(), 4096).unwrap();
    for _ in 0..60 {
        assert_eq!(answer(post(&daemon, "1").0)["result"], 1);
    }
}

#[test]
fn what_runs_is_answered_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), "drain_timeout: 0.2\n").unwrap();
    let path = folder.path().join("c.yaml");
    let mut daemon = daemon(&["--port", "0", "--config", path.to_str().unwrap(), "--log-level", "debug"], &[]);
    let (running, _) = post(&daemon, "import time\nprint('up', flush=True)\ntime.sleep(600)");
    line_with(&mut daemon.log, "execution admitted");
    signal(&daemon.child, Signal::TERM);
    assert_eq!(answer(running)["outcome"], "interrupted");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut daemon = daemon(&["--port", "0", "--log-level", "debug"], &[]);
    let _running = post(&daemon, "import time\ntime.sleep(600)");
    line_with(&mut daemon.log, "execution admitted");
    signal(&daemon.child, Signal::TERM);
    line_with(&mut daemon.log, "a second signal ends at once");
    signal(&daemon.child, Signal::TERM);
    assert_eq!(daemon.child.wait().unwrap().code(), Some(0));
    assert!(rest(&mut daemon.log).contains("stopped at once"));
}

#[test]
fn a_remote_executor_is_used_with_its_key() {
    let daemon = daemon(&["--host", "127.0.0.1", "--port", "0"], &[("CODEMODE_API_KEY", "k")]);
    let url = format!("http://{}", daemon.address);
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job.py");
    std::fs::write(&job, "print('there')\n6 * 7").unwrap();
    let job = job.to_str().unwrap();
    let with = |key: &str| {
        let output =
            command(&["run", job]).env("CODEMODE_EXECUTOR_URL", &url).env("CODEMODE_EXECUTOR_API_KEY", key).output();
        output.unwrap()
    };
    let ran = with("k");
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"there\n42\n"[..]));
    let ran = with("wrong");
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(69), &b""[..]));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("refused the API key"));
}

#[test]
fn a_unix_socket_is_served_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("s").display());
    let daemon = daemon(&["--listen", &path], &[]);
    assert_eq!(daemon.address, path);
    let job = folder.path().join("job.py");
    std::fs::write(&job, "1").unwrap();
    let ran = command(&["run", job.to_str().unwrap(), "--url", &path]).output().unwrap();
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"1\n"[..]));
}

/// Handles on every process below `pid`, which the kernel cannot give to another process meanwhile.
fn below(pid: i32) -> Vec<OwnedFd> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let Some(child) = entry.unwrap().file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // After the last `)`, which ends the name: state, then parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).unwrap();
        if parent == pid.to_string() {
            found.extend(pidfd_open(Pid::from_raw(child).unwrap(), PidfdFlags::empty()));
            found.extend(below(child));
        }
    }
    found
}

#[test]
fn kill_9_leaves_no_sandbox_behind() {
    let mut daemon = daemon(&["--port", "0", "--log-level", "debug"], &[]);
    let _running = post(&daemon, "import time\ntime.sleep(600)");
    line_with(&mut daemon.log, "execution admitted");
    // The zygote, the first process of a sandbox, and the code.
    let processes = loop {
        let processes = below(i32::try_from(daemon.child.id()).unwrap());
        if processes.len() >= 3 {
            break processes;
        }
    };
    signal(&daemon.child, Signal::KILL);
    for process in processes {
        let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience)).unwrap();
        assert_eq!(ended, 1, "a process outlived its daemon");
    }
}
