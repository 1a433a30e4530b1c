//! The sandbox's end of a connection, for hyper: lets a request's head through once it is whole and beyond doubt.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::{
    decision::Refusal,
    head::{self, Framing, HEAD_BYTES},
    limits::Activity,
};

/// For a head to arrive whole; for the first one since the connection, for the others since their first byte.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub(crate) struct Gate {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// Read, but not handed on.
    held: BytesMut,
    /// So many of `held` may be.
    free: usize,
    next: Next,
    timer: Option<Pin<Box<Sleep>>>,
    refused: Option<Refusal>,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    /// A head, of which so many bytes were searched for its end.
    Head { seen: usize },
    /// Bytes of a body.
    Body(u64),
    /// Chunks or a tunnel: whatever comes.
    Anything,
}

impl Gate {
    /// `held` was read from the stream before.
    pub(crate) fn new(stream: TcpStream, held: BytesMut, activity: Arc<Activity>) -> Self {
        let timer = Some(Box::pin(sleep(HEAD_TIMEOUT)));
        Self { stream, activity, held, free: 0, next: Next::Head { seen: 0 }, timer, refused: None }
    }

    /// The stream, what was read from it and not handed on, and what was wrong with the last head.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut, Option<Refusal>) {
        (self.stream, self.held, self.refused)
    }

    /// Whether there is something to hand on.
    fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.free == 0 {
            match self.next {
                Next::Anything => {
                    self.free = self.held.len();
                    return Poll::Ready(Ok(self.free > 0));
                }
                Next::Body(0) => self.next = Next::Head { seen: 0 },
                Next::Body(left) => {
                    let held = self.held.len() as u64;
                    self.free = held.min(left) as usize;
                    self.next = Next::Body(left - self.free as u64);
                    return Poll::Ready(Ok(self.free > 0));
                }
                Next::Head { seen } => match head::end(&self.held, seen) {
                    Some(end) => self.let_through(end)?,
                    None => {
                        self.next = Next::Head { seen: self.held.len() };
                        if ready!(self.poll_held(cx))? == 0 {
                            return Poll::Ready(Ok(false));
                        }
                    }
                },
            }
        }
        Poll::Ready(Ok(true))
    }

    fn let_through(&mut self, end: usize) -> io::Result<()> {
        self.next = match head::check(&self.held[..end]) {
            Ok(Framing::Sized(length)) => Next::Body(length),
            Ok(Framing::Chunked | Framing::Tunnel) => Next::Anything,
            Err(refusal) => return Err(self.refuse(refusal)),
        };
        self.free = end;
        self.timer = None;
        Ok(())
    }

    /// Reads on into `held`. 0 at the end of the stream.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.held.len() >= HEAD_BYTES {
            return Poll::Ready(Err(self.refuse(Refusal::BadRequest("the head of the request is longer than 64 KiB"))));
        }
        if !self.held.is_empty() {
            self.timer.get_or_insert_with(|| Box::pin(sleep(HEAD_TIMEOUT)));
        }
        let mut bytes = [0; READ_BYTES];
        let mut buf = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
            Poll::Ready(result) => {
                result?;
                self.held.extend_from_slice(buf.filled());
                self.activity.touch();
                Poll::Ready(Ok(buf.filled().len()))
            }
            Poll::Pending => {
                if let Some(timer) = &mut self.timer {
                    ready!(timer.as_mut().poll(cx));
                    return Poll::Ready(Err(self.refuse(Refusal::Slow(HEAD_TIMEOUT))));
                }
                Poll::Pending
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> io::Error {
        self.refused = Some(refusal);
        io::Error::from(io::ErrorKind::InvalidData)
    }

    /// Straight from the stream: nothing is held, and what comes needs no look.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let most = match self.next {
            Next::Body(left) => usize::try_from(left).unwrap_or(usize::MAX).min(buf.remaining()),
            _ => buf.remaining(),
        };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        if let Next::Body(left) = &mut self.next {
            *left -= count as u64;
        }
        buf.advance(count);
        self.activity.touch();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused.is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if ready!(this.poll_free(cx))? {
            let count = this.free.min(buf.remaining());
            buf.put_slice(&this.held[..count]);
            this.held.advance(count);
            this.free -= count;
            return Poll::Ready(Ok(()));
        }
        match this.next {
            Next::Head { .. } => Poll::Ready(Ok(())),
            Next::Body(_) | Next::Anything => this.poll_through(cx, buf),
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        if matches!(result, Poll::Ready(Ok(_))) {
            this.activity.touch();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
