//! Exit codes, and failures that know theirs.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use codemode_engine::StartError;
use codemode_sandbox::probe::ProbeError;

/// Bad usage, bad configuration: the caller can mend it (EX_USAGE).
pub(crate) const USAGE: u8 = 64;
/// The executor cannot be reached or does not start (EX_UNAVAILABLE).
pub(crate) const UNAVAILABLE: u8 = 69;

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl ToString) -> Self {
        Self { exit: USAGE, message: message.to_string() }
    }

    /// Many problems read best one a line.
    pub(crate) fn configuration(problems: impl ToString) -> Self {
        let problems = problems.to_string();
        match problems.lines().count() {
            1 => Self::usage(format!("configuration: {problems}")),
            _ => Self::usage(format!("configuration:\n  {}", problems.replace('\n', "\n  "))),
        }
    }

    pub(crate) fn unavailable(message: impl ToString) -> Self {
        Self { exit: UNAVAILABLE, message: message.to_string() }
    }

    /// What the policy asks is the caller's to mend; what the machine lacks is not.
    pub(crate) fn start(error: StartError) -> Self {
        match error {
            StartError::TooManyAtOnce { .. }
            | StartError::Plan(_)
            | StartError::Probe(
                ProbeError::BelowMinimum { .. }
                | ProbeError::Required { .. }
                | ProbeError::UnknownLayer(..)
                | ProbeError::NoBroker,
            ) => Self::configuration(error),
            _ => Self::unavailable(error),
        }
    }

    pub(crate) fn report(&self) -> ExitCode {
        // Nobody is left to tell where stderr is gone.
        let _ = writeln!(io::stderr(), "codemode: {}", self.message);
        ExitCode::from(self.exit)
    }
}

/// Writes to stdout; a reader that left early, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure { exit: 1, message: format!("cannot write to stdout: {error}") })
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
