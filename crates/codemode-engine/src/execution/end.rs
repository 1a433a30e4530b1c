//! How an execution ended, and what its report says about it.

use std::time::Duration;

use codemode_types::{ExecutionFailure, Limits, Outcome, OutputStream};
use codemode_wire::guest::{Finish, FinishKind};

use super::{met, signal};
use crate::escape::shortened;

/// How each kind of caller asks for it.
const MORE_CODE_TIME: &str = "execution_timeout in Python, --timeout on the command line, code_timeout over HTTP";

/// Why the run stopped. Set before anything is killed, so that a timeout is never mistaken for a crash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The code said so itself.
    Finished(Box<Finish>),
    /// Its process ended without a word, with a status as `wait` gives it.
    Exited(i32),
    /// The whole sandbox ended without a word.
    Vanished,
    CodeTimeout,
    TotalTimeout,
    CpuLimit,
    MemoryLimit,
    /// A folder holds more than it may, where no file system of its own says so.
    DiskLimit(String),
    Cancelled,
    /// Nobody listens any more.
    HostLeft,
    EngineStopped,
    ZygoteLost,
    Protocol(String),
    /// There was no sandbox; nothing ran.
    NotStarted(String),
}

/// What the kernel says after the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) out_of_memory: bool,
    pub(crate) cpu: Duration,
    /// Whether a process or thread was refused; `None`: it cannot be seen.
    pub(crate) processes_refused: Option<bool>,
    /// Whether a tool call was, for there had been too many.
    pub(crate) calls_refused: bool,
    /// The stream that was cut.
    pub(crate) truncated: Option<OutputStream>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) exit_code: i32,
    pub(crate) result: Option<Vec<u8>>,
    pub(crate) variables: Option<Vec<u8>>,
    pub(crate) failure: Option<ExecutionFailure>,
    pub(crate) warnings: Vec<String>,
}

/// The limits of the execution, and the executor's own, which they were lowered from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) ceiling: &'a Limits,
}

pub(crate) fn judge(end: End, evidence: Evidence, bounds: Bounds<'_>) -> Verdict {
    let limits = bounds.limits;
    match end {
        End::Finished(finish) => finished(*finish, evidence, limits),
        End::Exited(status) => exited(status, evidence, bounds),
        End::Vanished if evidence.out_of_memory => memory(limits),
        End::Vanished => {
            Verdict::of(Outcome::Killed, "the sandbox was killed from within, and every process in it".into())
        }
        End::CodeTimeout => Verdict::of(Outcome::Timeout, code_timeout(bounds)),
        End::TotalTimeout => Verdict::of(Outcome::Timeout, total_timeout(bounds)),
        End::CpuLimit => Verdict::of(Outcome::CpuLimit, cpu(limits)),
        End::MemoryLimit => memory(limits),
        End::DiskLimit(folder) => Verdict::of(
            Outcome::DiskLimit,
            format!(
                "the code left more in {folder} than it may hold (filesystem.{}.max_size)",
                folder.trim_matches('/')
            ),
        ),
        End::Cancelled => Verdict::of(Outcome::Cancelled, "cancelled by the caller".into()),
        End::HostLeft => Verdict::of(Outcome::Cancelled, "the caller went away".into()),
        End::EngineStopped => Verdict::of(Outcome::Interrupted, "the executor stopped before the code finished".into()),
        End::ZygoteLost => Verdict::of(
            Outcome::Interrupted,
            "the executor's zygote process ended, and this sandbox with it; the executor starts another".into(),
        ),
        End::Protocol(reason) => Verdict::of(
            Outcome::ProtocolError,
            format!("what the sandbox sent is not the protocol, so it was killed: {reason}"),
        ),
        End::NotStarted(reason) => {
            Verdict::of(Outcome::Interrupted, format!("no sandbox could be made, so nothing ran: {reason}"))
        }
    }
}

impl Verdict {
    /// Decided by the supervisor.
    fn of(outcome: Outcome, message: String) -> Self {
        let error_type = outcome.error_type().unwrap_or("Error").to_owned();
        Self {
            outcome,
            exit_code: outcome.exit_code(),
            result: None,
            variables: None,
            failure: Some(ExecutionFailure { error_type, message, ..ExecutionFailure::default() }),
            warnings: Vec::new(),
        }
    }

    fn with_exit_code(self, exit_code: i32) -> Self {
        Self { exit_code, ..self }
    }
}

/// The code's own word, as far as it may have one.
fn finished(finish: Finish, evidence: Evidence, limits: &Limits) -> Verdict {
    let Finish { kind, exit_code, result, variables, failure, warnings } = finish;
    let warnings = bounded(warnings);
    let most = limits.result_bytes;
    let length = result.as_ref().map_or(0, |result| result.len() as u64);
    let too_large = length > most.bytes();
    let variables = variables.filter(|variables| variables.len() as u64 <= most.bytes().saturating_sub(length));
    let failed = |failure: Option<ExecutionFailure>| failure.map(own_failure).unwrap_or_default();
    let verdict = match kind {
        FinishKind::Limit(limit) if !evidence.speaks_against(limit) => {
            Verdict { warnings, ..met::died_of(limit, failed(failure), own_exit_code(exit_code), limits) }
        }
        FinishKind::Error | FinishKind::Limit(_) => Verdict {
            outcome: Outcome::Error,
            exit_code: own_exit_code(exit_code),
            result: None,
            variables: None,
            failure: Some(failed(failure)),
            warnings,
        },
        FinishKind::Ok if !too_large => match evidence.truncated {
            None => Verdict { outcome: Outcome::Ok, exit_code: 0, result, variables: None, failure: None, warnings },
            // It ended by itself, so the exit code is its own.
            Some(stream) => {
                let cut = Verdict::of(Outcome::OutputLimit, output(stream, limits)).with_exit_code(0);
                Verdict { result, warnings, ..cut }
            }
        },
        FinishKind::Ok | FinishKind::ResultTooLarge => {
            let message = format!(
                "the result is larger than {most} (limits.result_bytes); write it to /outputs, or return a part of it"
            );
            Verdict { warnings, ..Verdict::of(Outcome::ResultTooLarge, message) }
        }
    };
    Verdict { variables, ..verdict }
}

/// An exit code of 0 would call a failure a success.
fn own_exit_code(said: i32) -> i32 {
    if (1..=255).contains(&said) { said } else { 1 }
}

fn own_failure(failure: ExecutionFailure) -> ExecutionFailure {
    ExecutionFailure {
        error_type: shortened(&failure.error_type, 200),
        message: shortened(&failure.message, 64 << 10),
        traceback: shortened(&failure.traceback, 256 << 10),
        line: failure.line,
    }
}

fn bounded(warnings: Vec<String>) -> Vec<String> {
    const MOST: usize = 100;
    let more = warnings.len().saturating_sub(MOST);
    let mut kept: Vec<String> = warnings.iter().take(MOST).map(|warning| shortened(warning, 1000)).collect();
    if more > 0 {
        kept.push(format!("and {more} more warnings"));
    }
    kept
}

fn exited(status: i32, evidence: Evidence, bounds: Bounds<'_>) -> Verdict {
    let limits = bounds.limits;
    let number = status & 0x7f;
    if number == 0 {
        return left((status >> 8) & 0xff);
    }
    let exit_code = 128 + number;
    let verdict = match number {
        signal::KILL if evidence.out_of_memory => memory(limits),
        signal::KILL if evidence.cpu >= limits.cpu_time() => Verdict::of(Outcome::CpuLimit, cpu(limits)),
        signal::KILL => Verdict::of(Outcome::Killed, "the code's own process was killed from within by SIGKILL".into()),
        signal::XCPU => Verdict::of(Outcome::CpuLimit, cpu(limits)),
        signal::XFSZ => Verdict::of(Outcome::DiskLimit, disk(limits)),
        _ => Verdict::of(Outcome::Crashed, format!("the interpreter was ended by {}", signal::name(number))),
    };
    match verdict.outcome {
        Outcome::CpuLimit => verdict,
        _ => verdict.with_exit_code(exit_code),
    }
}

/// `os._exit` and its like. Whatever the status, the code did not get to its end, and a failure never reports a 0.
fn left(status: i32) -> Verdict {
    let failure = ExecutionFailure {
        error_type: "SystemExit".into(),
        message: format!("the process ended itself with exit code {status} before the code finished"),
        ..ExecutionFailure::default()
    };
    let exit_code = status.max(1);
    Verdict {
        outcome: Outcome::Error,
        exit_code,
        result: None,
        variables: None,
        failure: Some(failure),
        warnings: Vec::new(),
    }
}

fn memory(limits: &Limits) -> Verdict {
    let message = format!(
        "the code and the processes it started needed more than {} of memory (limits.memory_limit; files in /sandbox, \
         /outputs and /tmp count)",
        limits.memory_limit
    );
    Verdict::of(Outcome::MemoryLimit, message)
}

fn output(stream: OutputStream, limits: &Limits) -> String {
    let most = limits.output_bytes;
    format!("{stream} was cut at {most} (limits.output_bytes); print less, or write to /outputs")
}

fn cpu(limits: &Limits) -> String {
    let (most, timeout, cpus) = (limits.cpu_time().as_secs_f64(), limits.code_timeout.as_secs_f64(), limits.cpus);
    format!("the code used more than {most} s of CPU time (limits.code_timeout, {timeout} s, × limits.cpus, {cpus})")
}

fn disk(limits: &Limits) -> String {
    format!("the code wrote a file of more than {} (limits.file_size)", limits.file_size)
}

fn code_timeout(bounds: Bounds<'_>) -> String {
    let Bounds { limits, ceiling } = bounds;
    format!(
        "the code ran longer than {} s, tool calls not counted (limits.code_timeout). {}",
        limits.code_timeout.as_secs_f64(),
        remedy("limits.code_timeout", MORE_CODE_TIME, limits.code_timeout, ceiling.code_timeout)
    )
}

fn total_timeout(bounds: Bounds<'_>) -> String {
    let Bounds { limits, ceiling } = bounds;
    format!(
        "the execution took longer than {} s, tool calls counted (limits.total_timeout). {}",
        limits.total_timeout.as_secs_f64(),
        remedy("limits.total_timeout", "total_timeout", limits.total_timeout, ceiling.total_timeout)
    )
}

fn remedy(key: &str, asking: &str, held: Duration, ceiling: Duration) -> String {
    match held < ceiling {
        true => format!("Ask for more time ({asking}): this executor allows up to {} s", ceiling.as_secs_f64()),
        false => format!("Ask for more time ({asking}); where the executor clamps it, raise {key} in its policy"),
    }
}

#[cfg(test)]
#[path = "end_tests.rs"]
mod tests;
