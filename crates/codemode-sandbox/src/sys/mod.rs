//! The system calls that no safe wrapper covers. The only unsafe code of this crate.

mod landlock;
mod memory;
mod mount;
mod network;
mod notify;
mod origin;
mod process;
mod seccomp;
mod trial;
mod turns;

pub use landlock::landlock_restrict_self;
pub use memory::{Access, populate};
pub use mount::{AttributeChange, MountAttributes, set_mount_attributes};
pub use network::raise_interface;
pub use notify::{Notification, answer, let_continue, receive_notification, replace_descriptor, still_waits};
pub use origin::Origin;
pub use process::{
    CloneFlags, Cloned, Reaped, child_ends, clone_process, close_all_but, close_from, default_signals,
    executable_memory_refused, exit_now, fork_process, has_children, heed_children, kill_everyone, landlock_abi,
    place_descriptor, reap_any, refuse_executable_memory, seccomp_action_available, take_descriptor,
    unshare_namespaces, wait_for_any, wait_for_pid,
};
pub use seccomp::{BpfInstruction, install_filter, install_filter_with_listener};
pub use trial::{ask_child, threads};
pub use turns::{ask_for_turns_of, turns};
