//! The Docker Engine, asked through the `docker` command: its contexts, its credentials and its versions are the user's
//! own affair.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    io,
    net::IpAddr,
    pin::pin,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{exit::Failure, serve::runtime};

const PROGRAM: &str = "docker";
/// An engine that takes longer for an answer does not give one. Stopping a container takes the longest.
const PATIENCE: Duration = Duration::from_secs(120);
/// For the first word.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(30);
/// What is under way when the user gives up may end first: the engine does it whether or not somebody listens. So may each
/// step of clearing away.
const GRACE: Duration = Duration::from_secs(10);
/// As a shell has it: 128, and SIGINT.
const INTERRUPTED: u8 = 130;
const FROM_ENGINE: &str = "Error response from daemon:";
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

pub(super) struct Engine {
    runtime: Runtime,
    pub(super) address: String,
    pub(super) version: String,
    patience: Cell<Duration>,
    /// Ctrl-C, where there is something to clear away.
    interrupt: RefCell<Option<Signal>>,
}

/// What a `docker` command said.
pub(super) struct Answer {
    pub(super) succeeded: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Answer {
    /// In one line: the engine's own, else the first. What follows is advice on how to call `docker`.
    pub(super) fn reason(&self) -> String {
        let lines: Vec<_> = [&self.stderr, &self.stdout]
            .into_iter()
            .flat_map(|text| text.lines())
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("WARNING: "))
            .collect();
        let engine = lines.iter().position(|line| line.contains(FROM_ENGINE)).unwrap_or(0);
        let mut said = lines.iter().skip(engine).skip_while(|line| line.ends_with(FROM_ENGINE));
        (*said.next().unwrap_or(&"docker failed without a word")).to_owned()
    }
}

impl Engine {
    /// One that answers, or in one line why there is none.
    pub(super) fn connect() -> Result<Self, Failure> {
        let runtime = runtime()?;
        let mut engine = Self {
            runtime,
            address: DEFAULT_ADDRESS.into(),
            version: String::new(),
            interrupt: RefCell::default(),
            patience: Cell::new(PATIENCE_AT_FIRST),
        };
        let context = engine.ask(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])?;
        if context.succeeded && !context.stdout.trim().is_empty() {
            engine.address = context.stdout.trim().to_owned();
        }
        let version = engine.ask(&["version", "--format", "{{.Server.Version}}"])?;
        match version.succeeded {
            true => {
                let patience = Cell::new(PATIENCE);
                Ok(Self { version: version.stdout.trim().to_owned(), patience, ..engine })
            }
            false => Err(refused(&version, &engine.address)),
        }
    }

    /// Mounts and a port of 127.0.0.1 are of the engine's machine: it has to be this one.
    pub(super) fn here(&self) -> Result<(), String> {
        match is_here(&self.address) {
            true => Ok(()),
            false => Err("on another machine, and the executor's key and folders are mounted from this one".into()),
        }
    }

    /// From now on Ctrl-C is a failure of what is asked, once, so that the caller clears away what it made.
    pub(super) fn catch_interrupt(&self) -> Result<(), Failure> {
        let _guard = self.runtime.enter();
        self.interrupt.replace(Some(signal(SignalKind::interrupt()).map_err(Failure::unavailable)?));
        Ok(())
    }

    /// What the command says, whether it succeeds or not.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Answer, Failure> {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(words).stdin(Stdio::null()).kill_on_drop(true);
        let mut interrupt = self.interrupt.borrow_mut();
        if interrupt.is_some() {
            // A terminal's Ctrl-C is for us alone.
            command.process_group(0);
        }
        let output = self.runtime.block_on(async {
            let mut output = pin!(timeout(self.patience.get(), command.output()));
            let interrupted = async {
                match interrupt.as_mut() {
                    Some(signal) => signal.recv().await,
                    None => pending().await,
                }
            };
            select! {
                output = &mut output => Ok(output),
                _ = interrupted => {
                    let _ = timeout(GRACE, output).await;
                    Err(Failure { exit: INTERRUPTED, message: "interrupted".into() })
                }
            }
        });
        if output.is_err() {
            interrupt.take();
            self.patience.set(GRACE);
        }
        let output =
            output?.map_err(|_| silent(&self.address, self.patience.get()))?.map_err(|error| not_run(&error))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { succeeded: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Standard output of a command that has to succeed.
    pub(super) fn told(&self, words: &[&str]) -> Result<String, Failure> {
        let answer = self.ask(words)?;
        match answer.succeeded {
            true => Ok(answer.stdout),
            false => Err(Failure::unavailable(format!("docker {}: {}", words.first().unwrap_or(&""), answer.reason()))),
        }
    }

    /// The user sees what it says, as it says it. Ctrl-C ends it and not us, who have something to clear away.
    pub(super) fn show(&self, words: &[&str]) -> Result<ExitStatus, Failure> {
        let _guard = self.runtime.enter();
        let _ignored = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
        Command::new(PROGRAM).args(words).stdin(Stdio::null()).status().map_err(|error| not_run(&error))
    }
}

fn is_here(address: &str) -> bool {
    let (scheme, rest) = address.split_once("://").unwrap_or(("unix", ""));
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    let loopback = host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    // By ssh one goes to another machine, or through a tunnel to one.
    scheme == "unix" || (scheme != "ssh" && (loopback || host == "localhost"))
}

fn not_run(error: &io::Error) -> Failure {
    Failure::unavailable(match error.kind() {
        io::ErrorKind::NotFound => {
            "docker: there is no `docker` command on PATH; install Docker Engine 20.10 or newer, \
                                    or serve without a container: codemode serve"
                .to_owned()
        }
        _ => format!("docker: the `docker` command cannot be run: {error}"),
    })
}

fn silent(address: &str, patience: Duration) -> Failure {
    Failure::unavailable(format!(
        "docker: the engine at {address} gave no answer in {} s; look at its log, or start it again",
        patience.as_secs()
    ))
}

fn refused(answer: &Answer, address: &str) -> Failure {
    let said = answer.stderr.to_lowercase();
    Failure::unavailable(if said.contains("permission denied") && address.starts_with("unix:") {
        format!(
            "docker: this user may not use the engine at {address}; run the command with sudo, or join the group that \
             may (sudo usermod -aG docker $USER, then log in again)"
        )
    } else if said.contains("cannot connect") || said.contains("failed to connect") {
        format!(
            "docker: no engine answers at {address}; start it (sudo systemctl start docker), or name another with \
             DOCKER_HOST or `docker context use`"
        )
    } else {
        format!("docker: the engine at {address} cannot be used: {}", answer.reason())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_one_line_and_no_advice() {
        for (stderr, reason) in [
            (
                "unknown flag: --foo\n\nUsage:  docker create [OPTIONS]\n\nRun 'docker create --help' for more information",
                "unknown flag: --foo",
            ),
            ("unknown flag: --foo\nSee 'docker create --help'.", "unknown flag: --foo"),
            ("Error response from daemon: no\nError: failed to start containers: n", "Error response from daemon: no"),
            (
                "WARNING: No swap limit support\ndocker: Error response from daemon: no\n\nRun 'docker run --help'",
                "docker: Error response from daemon: no",
            ),
            ("Error response from daemon:\nno", "no"),
            ("\n \n", "docker failed without a word"),
        ] {
            let answer = Answer { succeeded: false, stdout: String::new(), stderr: stderr.into() };
            assert_eq!(answer.reason(), reason);
        }
    }

    #[test]
    fn an_engine_is_here_or_elsewhere() {
        for address in ["unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:1", "tcp://[::1]:1"] {
            assert!(is_here(address), "{address}");
        }
        for address in ["tcp://192.0.2.1:2375", "ssh://u@127.0.0.1", "tcp://127.0.0.1.example:1", "tcp://build.example"]
        {
            assert!(!is_here(address), "{address}");
        }
    }
}
