//! Unix sockets in the event loop.
//!
//! The kernel reports room on a Unix socket each time that its other end reads, whether or not anybody waits for it.
//! Who asks for such reports is woken once more for each message that it sends. So the sockets here are watched for what
//! arrives, and for room only while something waits for it.
#![forbid(unsafe_code)]

mod stream;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

pub use self::stream::LocalStream;

/// A descriptor in the event loop.
///
/// tokio ≥ 1.53 deprecates the safe constructor because a type of the caller's own could answer with another
/// descriptor each time it is asked. `OwnedFd` cannot, and this crate forbids the unsafe constructor.
#[allow(deprecated)]
pub fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}

/// The same descriptor once more, watched for room until this is dropped. Room that is there already is reported too.
pub fn watch_for_room(descriptor: impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    watch(descriptor.as_fd().try_clone_to_owned()?, Interest::WRITABLE)
}
