//! The system calls that no safe wrapper covers. The only unsafe code of this crate.

mod mount;
mod process;
mod seccomp;

pub use mount::{AttributeChange, MountAttributes, set_mount_attributes};
pub use process::{
    CloneFlags, Cloned, Reaped, clone_process, close_from, default_signals, executable_memory_refused, exit_now,
    fork_process, heed_children, landlock_abi, place_descriptor, refuse_executable_memory, seccomp_action_available,
    take_descriptor, unshare_namespaces, wait_for_any, wait_for_pid,
};
pub use seccomp::{BpfInstruction, install_filter};
