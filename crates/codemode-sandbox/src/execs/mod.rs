//! Seeing which programs executed code tries to start, at any depth below it, so that a refusal can be listed.
//!
//! The filter makes every `execve` wait until the daemon has looked at it ([`serve`]). Looking is all it does. Whatever
//! it reads, and whether or not it can read, its answer is that the kernel may go on; the path lies in the caller's
//! memory, which can change while it is read, so no decision could rest on it. Landlock decides.
//!
//! What counts as refused is said in `programs`. The daemon opens and asks for no file that a path names.
//!
//! Seen is what the daemon may read. As root that is every process of the sandbox, given CAP_SYS_PTRACE. As an ordinary
//! user it is every program that the code has started; the code's own process, which was forked and not started inside
//! its user namespace, shows its memory to nobody, and a refusal there is the guest's to list.

mod caller;
mod programs;

use std::{io, os::fd::BorrowedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    thread::{CapabilitySet, capabilities},
};

use caller::Thread;
pub use programs::{Granted, Programs};

use crate::{plan::Means, sys};

/// A search along PATH asks again within microseconds: waiting for it here is cheaper than being woken for it.
const LINGER: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Whether this process may read what it has to. Where it may not, nothing is to wait for it.
pub fn can_observe(means: Means) -> bool {
    match means {
        Means::Root => capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::SYS_PTRACE)),
        // It owns the user namespace that all of a sandbox is in.
        Means::UserNamespace => true,
        Means::Container => false,
    }
}

/// How [`serve`] left the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Nobody waits for an answer.
    All,
    /// As many as were to be served; more may wait.
    Enough,
    /// No process is left that could ask, or the listener is broken.
    Ended,
}

/// Lets waiting starts of programs go on, as many as are `left`, and tells the names of those that the kernel will refuse.
/// Blocks for moments: on a process's memory, and in case the next one comes at once.
pub fn serve(listener: BorrowedFd<'_>, granted: &Granted, left: &mut usize, mut refused: impl FnMut(String)) -> Served {
    while *left > 0 {
        match waiting(listener) {
            Ok(true) => {}
            Ok(false) => return Served::All,
            Err(()) => return Served::Ended,
        }
        let notification = match sys::receive_notification(listener) {
            Ok(notification) => notification,
            Err(error) if is_passing(&error) => continue,
            Err(_) => return Served::Ended,
        };
        *left -= 1;
        let name = name_of_refused(&notification, granted);
        // Before the answer: what the code does next must find it noted.
        if let Some(name) = name.filter(|_| sys::still_waits(listener, &notification)) {
            refused(name);
        }
        if sys::let_continue(listener, &notification).is_err_and(|error| !is_passing(&error)) {
            return Served::Ended;
        }
    }
    Served::Enough
}

fn waiting(listener: BorrowedFd<'_>) -> Result<bool, ()> {
    loop {
        let mut watched = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
        match poll(&mut watched, Some(&LINGER)) {
            Ok(0) => return Ok(false),
            Ok(_) if watched[0].revents().contains(PollFlags::IN) => return Ok(true),
            // Interrupted, which the kernel says of a listener in either way: somebody may be waiting all the same.
            Ok(_) if watched[0].revents() == PollFlags::ERR => {}
            Err(Errno::INTR) => {}
            _ => return Err(()),
        }
    }
}

/// The caller was killed meanwhile, or we were interrupted.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR))
}

fn name_of_refused(notification: &sys::Notification, granted: &Granted) -> Option<String> {
    let thread = Thread::visible(notification.thread)?;
    let path = thread.path_at(notification.arguments[0])?;
    granted.refuses(&path, &thread)
}
