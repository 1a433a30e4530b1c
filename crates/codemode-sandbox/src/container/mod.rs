//! Tier container: a sandbox where no namespace and no mount can be made.
//!
//! Paths are the container's own. What bounds the code is Landlock, seccomp and a user id that only this execution has;
//! what ends it is a [`warden`], a process that may signal and clean up after exactly that id. [`possession`] takes the
//! folders at start, [`stage`] hands them from one execution to the next.

use rustix::process::{getpid, set_child_subreaper};

use crate::apply::{Step, StepError};

mod broker;
mod files;
pub mod possession;
pub mod stage;
pub mod usage;
pub mod warden;

/// Where the code works, and what it may fill. Each is the executor's alone.
pub const SANDBOX: &str = "/sandbox";
pub const TEMPORARY: &str = "/tmp";
pub const SHARED_MEMORY: &str = "/dev/shm";

/// Where the code writes what it leaves: a link to the stage of the execution that runs.
pub const OUTPUTS: &str = "/outputs";

/// The user ids that sandboxes get: `codemode-engine` gives them out. Files of such an owner are nobody else's.
pub const FIRST_USER: u32 = 2_000_000_000;
pub const LAST_USER: u32 = FIRST_USER + (1 << 30) - 1;

/// Makes the zygote ready, in place of moving it into a root of its own.
pub fn enter() -> Result<possession::Possession, StepError> {
    // Cells whose warden ended badly are left to the zygote.
    set_child_subreaper(Some(getpid())).map_err(|error| StepError::new(Step::BaseRoot, error))?;
    possession::take().map_err(|error| StepError::new(Step::BaseRoot, error))
}

/// From a cell's user id to its warden's, which is no cell's.
const WARDENS: u32 = 1_100_000_000;

/// The real user id of the warden of `user`.
pub const fn warden_of(user: u32) -> u32 {
    user + WARDENS
}

pub(crate) const fn is_cell_user(user: u32) -> bool {
    FIRST_USER <= user && user <= LAST_USER
}
