//! seccomp's user notification: calls that wait until somebody outside has seen them.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    id: u64,
    /// The thread that made it, as this process's pid namespace numbers it; 0: not visible from here.
    pub thread: u32,
    pub arguments: [u64; 6],
}

impl Notification {
    /// Unlike any other of its listener's.
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// Takes the next one. Blocks if there is none, so [`poll`](rustix::event::poll) first. ENOENT: its caller is gone.
pub fn receive_notification(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    // SAFETY: all-zero is a valid value of this plain structure, and what the kernel asks for.
    let mut heard: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the request's number names the size of the structure, which outlives the call.
    let status = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut heard) };
    match status {
        0 => Ok(Notification { id: heard.id, thread: heard.pid, arguments: heard.data.args }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether its caller still waits: only then was what was read about that thread truly about it.
pub fn still_waits(listener: BorrowedFd<'_>, notification: &Notification) -> bool {
    let ask = || {
        // SAFETY: the kernel reads the eight bytes of the id, which outlives the call.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const notification.id) }
    };
    uninterrupted(ask).is_ok()
}

/// Lets the kernel go on with the call as if nobody had listened. ENOENT: its caller is gone.
pub fn let_continue(listener: BorrowedFd<'_>, notification: &Notification) -> io::Result<()> {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut answer = libc::seccomp_notif_resp { id: notification.id, val: 0, error: 0, flags };
    uninterrupted(|| {
        // SAFETY: the request's number names the size of the structure, which outlives the call.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) }
    })
}

/// Ends the call: with 0, or with an errno. ENOENT: its caller is gone.
pub fn answer(listener: BorrowedFd<'_>, notification: &Notification, outcome: Result<(), i32>) -> io::Result<()> {
    let error = outcome.err().map_or(0, |errno| -errno);
    let mut answer = libc::seccomp_notif_resp { id: notification.id, val: 0, error, flags: 0 };
    uninterrupted(|| {
        // SAFETY: the request's number names the size of the structure, which outlives the call.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) }
    })
}

/// Puts a descriptor of this process's in the place of the caller's descriptor `target`.
pub fn replace_descriptor(
    listener: BorrowedFd<'_>,
    notification: &Notification,
    descriptor: BorrowedFd<'_>,
    target: u32,
    close_on_exec: bool,
) -> io::Result<()> {
    let added = libc::seccomp_notif_addfd {
        id: notification.id,
        flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
        srcfd: descriptor.as_raw_fd().cast_unsigned(),
        newfd: target,
        newfd_flags: if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
    };
    loop {
        // SAFETY: the request's number names the size of the structure, which outlives the call.
        let number = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const added) };
        if number >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// A signal to this thread must not cost the caller its answer.
fn uninterrupted(mut call: impl FnMut() -> i32) -> io::Result<()> {
    loop {
        if call() == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}
