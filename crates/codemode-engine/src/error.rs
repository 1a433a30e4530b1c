//! Why an engine does not start: one variant per step.

use std::{io, path::PathBuf, time::Duration};

use codemode_sandbox::{cgroup::CgroupError, launch::LaunchError, plan::PlanError, probe::ProbeError};
use codemode_wire::DecodeError;

use crate::sandbox::SpawnError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the start-up of the executor was interrupted")]
    Interrupted,
    #[error("the guest's native module is not at {0}")]
    NoGuestLibrary(PathBuf),
    #[error("max_concurrent_executions is {asked}; one executor holds at most {most}")]
    TooManyAtOnce { asked: u32, most: u32 },
    #[error("this machine cannot hold the policy: {0}")]
    Probe(#[source] ProbeError),
    #[error("this machine offers no tier of isolation")]
    NoTier,
    #[error("the policy cannot be turned into a sandbox: {0}")]
    Plan(#[source] PlanError),
    #[error("guest.environments: `{name}`: {reason}")]
    Environment { name: String, reason: String },
    #[error("filesystem.outputs.mount: {0}")]
    Outputs(#[source] io::Error),
    #[error("cgroups are needed and cannot be used: {0}")]
    Cgroup(#[source] CgroupError),
    #[error("the zygote cannot be launched: {0}")]
    Launch(#[source] LaunchError),
    #[error("the zygote cannot be watched: {0}")]
    Watch(#[source] io::Error),
    #[error("the zygote failed at step `{step}`: {message}")]
    ZygoteFailed { step: String, message: String },
    #[error("the zygote ended before it was ready; its own words are on the standard error stream")]
    ZygoteEnded,
    #[error("the zygote was not ready within {} s", .0.as_secs())]
    ZygoteSilent(Duration),
    #[error("the zygote and the executor do not understand each other: {0}")]
    ZygoteWords(#[source] DecodeError),
    #[error("the first sandbox cannot be made: {0}")]
    Sandbox(#[source] SpawnError),
    #[error(
        "the start-up self-test could not be run, so nothing is served: {0}; `codemode doctor` shows what this machine \
         offers, and the self-test needs the interpreter's ctypes"
    )]
    SelfTest(String),
    #[error(
        "the start-up self-test got out of its sandbox, so nothing is served: attack `{attack}` succeeded: {happened}; \
         what should have held: {wall}; `codemode doctor` shows what this machine offers; please report this as a \
         vulnerability (SECURITY.md)"
    )]
    Escaped { attack: String, wall: String, happened: String },
    #[error(
        "the guest's native module was built for a test, without a wall ({0}), so nothing is served: install the \
         package again"
    )]
    WallsRemoved(String),
}
