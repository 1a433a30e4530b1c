//! Bytes both ways between two connections, as fast as they come.
//!
//! A direction that turns out to be long goes through a pipe in the kernel, which halves what a byte costs. Short ones are
//! copied: a pipe takes two descriptors and a moment.

use std::{io, os::fd::OwnedFd};

use rustix::{
    net::{Shutdown, shutdown},
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::TcpStream,
    task::coop::consume_budget,
};

use crate::limits::{Activity, Budget};

const BUFFER_BYTES: usize = 64 << 10;
/// Four times what a pipe holds by default: fewer turns, and an ordinary user may still have hundreds.
const PIPE_BYTES: usize = 256 << 10;
/// So much is copied before a pipe is made.
const SHORT_BYTES: usize = 1 << 20;

/// Ends when both directions have, or one has failed. The end of one direction is passed on. `first` was read from the
/// client before.
pub(crate) async fn run(
    client: &TcpStream,
    server: &mut TcpStream,
    first: &[u8],
    budget: &Budget,
    activity: &Activity,
) -> io::Result<()> {
    if budget.take(first.len()) < first.len() {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    server.write_all(first).await?;
    let up = Direction { from: client, to: server, budget, activity };
    let down = Direction { from: server, to: client, budget, activity };
    tokio::try_join!(up.run(), down.run())?;
    Ok(())
}

struct Direction<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    budget: &'a Budget,
    activity: &'a Activity,
}

/// Whether a direction has ended, or has to go on in another way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Ended,
    GoesOn,
}

impl Direction<'_> {
    async fn run(&self) -> io::Result<()> {
        let mut progress = self.copy(SHORT_BYTES).await?;
        if progress == Progress::GoesOn {
            progress = match pipe() {
                Ok((reader, writer)) => self.splice(&reader, &writer).await?,
                Err(_) => progress,
            };
        }
        if progress == Progress::GoesOn {
            self.copy(usize::MAX).await?;
        }
        Ok(shutdown(self.to, Shutdown::Write)?)
    }

    async fn copy(&self, most: usize) -> io::Result<Progress> {
        let mut buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let mut copied = 0_usize;
        while copied < most {
            let count = self.take(BUFFER_BYTES, |allowed| self.from.try_read(&mut buffer[..allowed])).await?;
            if count == 0 {
                return Ok(Progress::Ended);
            }
            copied = copied.saturating_add(count);
            self.give(count, |left| self.to.try_write(&buffer[count - left..count])).await?;
        }
        Ok(Progress::GoesOn)
    }

    async fn splice(&self, reader: &OwnedFd, writer: &OwnedFd) -> io::Result<Progress> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        loop {
            // The pipe is empty here, so that only the stream can make it wait.
            let read = |allowed| Ok(splice(self.from, None, writer, None, allowed, flags)?);
            let taken = self.take(PIPE_BYTES, |allowed| self.from.try_io(Interest::READABLE, || read(allowed))).await;
            let count = match taken {
                Ok(0) => return Ok(Progress::Ended),
                Ok(count) => count,
                // Not on this kernel, or not in this sandbox of the daemon's; nothing was moved.
                Err(error) if is_unsupported(&error) => return Ok(Progress::GoesOn),
                Err(error) => return Err(error),
            };
            let write = |left| Ok(splice(reader, None, self.to, None, left, flags)?);
            self.give(count, |left| self.to.try_io(Interest::WRITABLE, || write(left))).await?;
        }
    }

    /// The next bytes, at most `most`: `read` moves as many as the budget allows. 0 at the end.
    async fn take(&self, most: usize, mut read: impl FnMut(usize) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            // Streams that are always ready would never let another task run.
            consume_budget().await;
            let allowed = self.budget.take(most);
            if allowed == 0 {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let result = read(allowed);
            self.budget.give_back(allowed - *result.as_ref().unwrap_or(&0));
            match result {
                // By now it holds nothing back from the other connections.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.from.readable().await?,
                Err(error) => return Err(error),
                Ok(count) => {
                    self.activity.touch();
                    return Ok(count);
                }
            }
        }
    }

    /// Writes `count` bytes: `write` is told how many are left.
    async fn give(&self, count: usize, mut write: impl FnMut(usize) -> io::Result<usize>) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            match write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left -= written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.to.writable().await?,
                Err(error) => return Err(error),
            }
            self.activity.touch();
        }
        Ok(())
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
}

fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // A user with very many pipes may not; then it is small.
    let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
    Ok((reader, writer))
}
