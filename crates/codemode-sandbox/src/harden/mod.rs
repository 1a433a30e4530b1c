//! What the executor itself gives up before it serves: everything that making and serving sandboxes does not need.
//!
//! It runs in the daemon's only thread, so that every later thread, the zygotes and all sandboxes inherit it. Each step
//! is read back or tried; one that did not take hold ends the start, by name. `docs/adr/0002-what-the-daemon-gives-up.md`
//! says what was tried and what is left out.

mod calls;
mod files;
mod filter;
mod landlock;
pub mod loader;
mod memory;

use thiserror::Error;

use crate::{
    apply::removed::{Wall, is_removed},
    plan::Means,
    probe::LayerReport,
    sys,
};

pub use files::Files;
pub use landlock::Reach;

/// What decides how much can be given up.
#[derive(Clone, Debug)]
pub struct Needs {
    /// What sandboxes are made with.
    pub means: Means,
    pub reach: Reach,
    /// Heeded in tier container, where a domain over files is possible.
    pub files: Option<Files>,
}

/// The steps, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Threads,
    Memory,
    NoNewPrivileges,
    Landlock,
    Seccomp,
}

impl Step {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Memory => "memory",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// Nothing is served by an executor that could not give up what it must.
#[derive(Debug, Error)]
#[error("the executor cannot harden itself: {}: {what}", .step.as_str())]
pub struct HardenError {
    pub step: Step,
    pub what: String,
}

impl HardenError {
    fn new(step: Step, what: impl ToString) -> Self {
        Self { step, what: what.to_string() }
    }
}

/// Gives it up, for good; what it was, for people to read. Call it before anything starts a thread.
pub fn executor(needs: &Needs) -> Result<Vec<LayerReport>, HardenError> {
    if is_removed(Wall::Daemon) {
        return Ok(Vec::new());
    }
    one_thread()?;
    Ok(vec![
        memory::shut()?,
        // Before the filter, which an ordinary user may install only then.
        no_new_privileges()?,
        landlock::restrict(needs)?,
        // Last: nothing before it needs to be let through.
        filter::install(needs.means)?,
    ])
}

/// Landlock and seccomp hold for the thread that asks and for what it starts.
fn one_thread() -> Result<(), HardenError> {
    match sys::threads() {
        Ok(1) => Ok(()),
        Ok(many) => Err(HardenError::new(Step::Threads, format_args!("{many} run already, and must not before this"))),
        Err(error) => Err(HardenError::new(Step::Threads, format_args!("/proc/self/task: {error}"))),
    }
}

fn no_new_privileges() -> Result<LayerReport, HardenError> {
    let failed = |error: &dyn std::fmt::Display| HardenError::new(Step::NoNewPrivileges, error);
    rustix::thread::set_no_new_privs(true).map_err(|error| failed(&error))?;
    match rustix::thread::no_new_privs() {
        Ok(true) => {
            Ok(report("privileges", "no_new_privs", "no set-uid program gives it, or what it starts, any more"))
        }
        Ok(false) => Err(failed(&"the kernel says it is not set")),
        Err(error) => Err(failed(&error)),
    }
}

fn report(name: &'static str, state: impl Into<String>, why: &'static str) -> LayerReport {
    LayerReport { name, status: crate::probe::LayerStatus::Found(state.into()), why }
}
