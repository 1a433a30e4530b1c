//! A connection to a destination for hyper: counts every byte, and ends where the budget does.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::limits::{Activity, Budget};

#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    budget: Arc<Budget>,
    activity: Arc<Activity>,
}

impl Metered {
    pub(crate) fn new(stream: TcpStream, budget: Arc<Budget>, activity: Arc<Activity>) -> Self {
        Self { stream, budget, activity }
    }
}

fn spent() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "network.max_bytes are used up")
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Only what is there is taken: a connection that waits holds nothing back from the others.
        ready!(this.stream.poll_read_ready(cx))?;
        let allowed = this.budget.take(buf.remaining());
        if allowed == 0 && buf.remaining() > 0 {
            return Poll::Ready(Err(spent()));
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
        let result = Pin::new(&mut this.stream).poll_read(cx, &mut part);
        let count = part.filled().len();
        this.budget.give_back(allowed - count);
        if count > 0 {
            this.activity.touch();
        }
        buf.advance(count);
        result
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let allowed = this.budget.take(buf.len());
        if allowed == 0 && !buf.is_empty() {
            return Poll::Ready(Err(spent()));
        }
        let result = Pin::new(&mut this.stream).poll_write(cx, &buf[..allowed]);
        let count = if let Poll::Ready(Ok(count)) = &result { *count } else { 0 };
        this.budget.give_back(allowed - count);
        if count > 0 {
            this.activity.touch();
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
