//! A packet socket (SEQPACKET) in the event loop.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use codemode_sandbox::packet;
use codemode_socket::{watch, watch_for_room};
use rustix::net::Shutdown;
use tokio::io::{Interest, unix::AsyncFd};

#[derive(Debug)]
pub(crate) struct PacketSocket(AsyncFd<OwnedFd>);

impl PacketSocket {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        watch(socket, Interest::READABLE).map(Self)
    }

    pub(crate) async fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let send = |socket: &OwnedFd| packet::send(socket.as_fd(), message, descriptors);
        match send(self.0.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                watch_for_room(self.0.get_ref())?.async_io(Interest::WRITABLE, send).await
            }
            sent => sent,
        }
    }

    /// Zero bytes: the other end is closed. Cancel safe.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.async_io(Interest::READABLE, |socket| packet::receive(socket.as_fd(), buffer)).await
    }

    /// Reads what has arrived, past what the event loop knows; `None`: nothing.
    pub(crate) fn receive_now(&self, buffer: &mut [u8]) -> Option<(usize, Vec<OwnedFd>)> {
        packet::receive(self.0.get_ref().as_fd(), buffer).ok().filter(|(length, _)| *length > 0)
    }

    /// The other end reads end-of-file from now on; what it still says arrives.
    pub(crate) fn close_sending(&self) {
        // Fails only where the other end is gone already.
        let _ = rustix::net::shutdown(self.0.get_ref(), Shutdown::Write);
    }
}
