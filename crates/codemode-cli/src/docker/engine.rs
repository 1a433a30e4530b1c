//! The Docker Engine, asked through the `docker` command: its contexts, its credentials and its versions are the user's
//! own affair.

use std::{
    io,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::{runtime::Runtime, time::timeout};

use crate::{exit::Failure, serve::runtime};

const PROGRAM: &str = "docker";
/// An engine that takes longer for an answer does not give one. Stopping a container takes the longest.
const PATIENCE: Duration = Duration::from_secs(120);
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

pub(super) struct Engine {
    runtime: Runtime,
    pub(super) address: String,
    pub(super) version: String,
}

/// What a `docker` command said.
pub(super) struct Answer {
    pub(super) succeeded: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Answer {
    /// In one line: the last that it wrote is the one with the reason.
    pub(super) fn reason(&self) -> String {
        let lines = [&self.stderr, &self.stdout];
        let last = lines.iter().find_map(|text| text.lines().map(str::trim).rfind(|line| !line.is_empty()));
        last.unwrap_or("docker failed without a word").to_owned()
    }
}

impl Engine {
    /// One that answers, or in one line why there is none.
    pub(super) fn connect() -> Result<Self, Failure> {
        let runtime = runtime()?;
        let mut engine = Self { runtime, address: DEFAULT_ADDRESS.into(), version: String::new() };
        let context = engine.ask(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])?;
        if context.succeeded && !context.stdout.trim().is_empty() {
            engine.address = context.stdout.trim().to_owned();
        }
        let version = engine.ask(&["version", "--format", "{{.Server.Version}}"])?;
        match version.succeeded {
            true => Ok(Self { version: version.stdout.trim().to_owned(), ..engine }),
            false => Err(refused(&version, &engine.address)),
        }
    }

    /// What the command says, whether it succeeds or not.
    pub(super) fn ask(&self, words: &[&str]) -> Result<Answer, Failure> {
        let mut command = tokio::process::Command::new(PROGRAM);
        command.args(words).stdin(Stdio::null()).kill_on_drop(true);
        let output = self.runtime.block_on(async { timeout(PATIENCE, command.output()).await });
        let output = output.map_err(|_| silent(&self.address))?.map_err(|error| not_run(&error))?;
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
        use tokio::signal::unix::{SignalKind, signal};
        let _guard = self.runtime.enter();
        let _ignored = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
        Command::new(PROGRAM).args(words).stdin(Stdio::null()).status().map_err(|error| not_run(&error))
    }
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

fn silent(address: &str) -> Failure {
    Failure::unavailable(format!(
        "docker: the engine at {address} gave no answer in {} s; look at its log, or start it again",
        PATIENCE.as_secs()
    ))
}

fn refused(answer: &Answer, address: &str) -> Failure {
    let said = answer.stderr.to_lowercase();
    Failure::unavailable(if said.contains("permission denied") {
        format!(
            "docker: this user may not use the engine at {address}; run the command with sudo, or join the group that \
             may (sudo usermod -aG docker $USER, then log in again)"
        )
    } else if said.contains("cannot connect")
        || said.contains("failed to connect")
        || said.contains("error during connect")
    {
        format!(
            "docker: no engine answers at {address}; start it (sudo systemctl start docker), or name another with \
             DOCKER_HOST or `docker context use`"
        )
    } else {
        format!("docker: the engine at {address} cannot be used: {}", answer.reason())
    })
}
