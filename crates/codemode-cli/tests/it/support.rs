use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command in an environment that holds nothing of this machine's but a PATH.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_codemode"));
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

pub(crate) fn codemode(arguments: &[&str]) -> Ran {
    command(arguments).output().unwrap().into()
}

/// `codemode run - …` with code on standard input.
pub(crate) fn run(code: &str, arguments: &[&str]) -> Ran {
    let mut child = command(&[&["run", "-"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// `codemode serve`, once it says where.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) log: BufReader<ChildStderr>,
}

pub(crate) fn daemon(arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
    let mut command = command(&[&["serve"], arguments].concat());
    serving(command.envs(environment.iter().copied()))
}

pub(crate) fn serving(command: &mut Command) -> Daemon {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let address = loop {
        let line = line_with(&mut log, "");
        if let Some((_, address)) = line.split_once(" serving address=") {
            break address.split_whitespace().next().unwrap().to_owned();
        }
    };
    Daemon { child, address, log }
}

/// The next line that holds `text`.
pub(crate) fn line_with(log: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ended before `{text}`:\n{all}");
        if line.contains(text) {
            return line;
        }
        all.push_str(&line);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn rest(mut log: impl Read) -> String {
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    text
}
