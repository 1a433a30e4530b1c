use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, send, sendmsg, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

use crate::{watch, watch_for_room};

/// A Unix stream that is woken by what arrives, and by room only while a write waits for it.
#[derive(Debug)]
pub struct LocalStream {
    socket: AsyncFd<OwnedFd>,
    /// While a write waits.
    room: Option<AsyncFd<OwnedFd>>,
}

impl LocalStream {
    /// Must be called inside a tokio runtime.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { socket: watch(stream.into(), Interest::READABLE)?, room: None })
    }

    /// Resolves when there is something to read, or the end of it. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// Reads what has arrived, as far as the event loop has heard of it.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut got = Err(io::ErrorKind::WouldBlock.into());
        let _ = self.socket.try_io(Interest::READABLE, |socket| {
            got = read(socket, buffer);
            is_more(&got, buffer.len())
        });
        got
    }

    /// Resolves when there may be room again; never, where no write found too little of it. Cancel safe.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.room {
            Some(room) => room.writable().await.map(drop),
            None => std::future::pending().await,
        }
    }

    /// Writes what there is room for. Where there is none, `writable` waits for it.
    pub fn try_write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = match &self.room {
            Some(room) => room.try_io(Interest::WRITABLE, |socket| write(socket, data)),
            None => write(&self.socket, data),
        };
        match &sent {
            Ok(_) => self.room = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.room.is_none() => {
                self.room = Some(watch_for_room(&self.socket)?);
            }
            Err(_) => {}
        }
        sent
    }

    fn poll_send(&mut self, context: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &self.room {
                ready!(room.poll_write_ready(context))?.retain_ready();
            }
            match self.try_write_vectored(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

fn read(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::read(&socket, &mut *buffer))?)
}

fn write(socket: impl AsFd, data: &[IoSlice<'_>]) -> io::Result<usize> {
    let sent = rustix::io::retry_on_intr(|| match data {
        [data] => send(&socket, data, SendFlags::NOSIGNAL),
        data => sendmsg(&socket, data, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL),
    });
    Ok(sent?)
}

/// What the event loop is to be told of a read. Where less came than would have fitted, nothing is left, and what
/// arrives later is reported: to find that out by another read would be one for nothing.
fn is_more(got: &io::Result<usize>, room: usize) -> io::Result<()> {
    match got {
        Ok(length) if *length == 0 || *length == room => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(()),
        _ => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsFd for LocalStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?.retain_ready();
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match shutdown(&self.socket, Shutdown::Write) {
            // The other end is gone already.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (LocalStream, LocalStream) {
        let (one, other) = UnixStream::pair().unwrap();
        (LocalStream::new(one).unwrap(), LocalStream::new(other).unwrap())
    }

    #[tokio::test]
    async fn what_does_not_fit_is_written_once_there_is_room() {
        let (mut one, mut other) = pair();
        let data: Vec<u8> = (0..4 << 20).map(|number: u32| number.to_le_bytes()[1]).collect();
        let expected = data.clone();
        let writing = tokio::spawn(async move {
            one.write_all(&data).await.unwrap();
            assert!(one.room.is_none(), "it is no longer woken for room");
            one.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        other.read_to_end(&mut got).await.unwrap();
        assert!(got == expected);
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn it_is_not_woken_by_who_reads() {
        let (mut one, mut other) = pair();
        one.write_all(b"a").await.unwrap();
        other.read_exact(&mut [0]).await.unwrap();
        tokio::select! {
            biased;
            _ = one.writable() => panic!("nobody waits for room"),
            _ = one.readable() => panic!("nothing has arrived"),
            () = tokio::task::yield_now() => {}
        }
        other.write_all(b"b").await.unwrap();
        one.readable().await.unwrap();
        assert_eq!(one.try_read(&mut [0; 8]).unwrap(), 1);
    }

    #[tokio::test]
    async fn a_read_that_is_not_filled_asks_the_event_loop_next() {
        let (one, mut other) = pair();
        other.write_all(b"abc").await.unwrap();
        one.readable().await.unwrap();
        let mut two = [0; 2];
        assert_eq!(one.try_read(&mut two).unwrap(), 2);
        assert_eq!(one.try_read(&mut two).unwrap(), 1);
        assert_eq!(one.try_read(&mut two).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(other);
        one.readable().await.unwrap();
        assert_eq!(one.try_read(&mut two).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_write_without_room_waits_and_the_next_one_after_it_does_not() {
        let (mut one, mut other) = pair();
        let block = [0; 64 << 10];
        while one.try_write_vectored(&[IoSlice::new(&block)]).is_ok() {}
        let mut rest = vec![0; 1 << 20];
        let taking = tokio::spawn(async move { while other.read(&mut rest).await.unwrap() > 0 {} });
        one.writable().await.unwrap();
        assert!(one.try_write_vectored(&[IoSlice::new(b"x")]).is_ok());
        assert!(one.room.is_none());
        drop(one);
        taking.await.unwrap();
    }
}
