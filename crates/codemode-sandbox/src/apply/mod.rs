//! Building the walls. [`root`] runs once in the zygote; [`cell`] is the ordered list that runs in every sandbox.

pub mod cell;
mod error;
mod filters;
mod folders;
mod identity;
mod landlock;
mod limits;
mod mounts;
mod network;
pub mod networks;
pub mod owners;
mod places;
pub mod removed;
pub mod root;
pub mod seccomp;
mod verify;

pub use error::{Step, StepError};
pub use filters::Filters;
pub(crate) use landlock::SCOPES as LANDLOCK_SCOPES;
pub use landlock::{FLOOR as LANDLOCK_FLOOR, JUDGES_SOCKETS as LANDLOCK_JUDGES_SOCKETS};
pub use mounts::can_mount_proc;
pub use places::Places;
