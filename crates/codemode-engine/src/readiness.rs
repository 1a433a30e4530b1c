//! Descriptors in the event loop.

use std::{io, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

/// tokio ≥ 1.53 deprecates the safe constructor because a type of the caller's own could answer with another
/// descriptor each time it is asked. `OwnedFd` cannot, and this crate forbids the unsafe constructor.
#[allow(deprecated)]
pub(crate) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, interest)
}
