//! Landlock's own call, for rules that were made before.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Confines this thread, and what it starts, to the rules. It needs no_new_privs. There is no way back.
pub fn landlock_restrict_self(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes integers only; the descriptor is open for as long as it is borrowed.
    let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0u32) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
