//! Sequenced packets with descriptors, the channel between daemon, zygote and cells.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::{
    io::{IoSlice, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

/// The most descriptors one packet carries.
pub const MAX_DESCRIPTORS: usize = 12;

/// A connected pair, close-on-exec, blocking.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one packet whole, with descriptors.
pub fn send(socket: BorrowedFd<'_>, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one packet"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL)?;
    match sent == packet.len() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::WriteZero, "the packet was cut")),
    }
}

/// Receives one packet; 0 bytes mean that the peer is gone. A packet cut for want of room is an error.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    match message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "the packet did not fit")),
        false => Ok((message.bytes, descriptors)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn packets_keep_their_bounds_and_their_descriptors() {
        let (left, right) = pair().unwrap();
        send(left.as_fd(), b"one", &[left.as_fd(), right.as_fd()]).unwrap();
        send(left.as_fd(), b"two", &[]).unwrap();
        let mut buffer = [0; 16];
        let (length, descriptors) = receive(right.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..length], descriptors.len()), (&b"one"[..], 2));
        assert_eq!(receive(right.as_fd(), &mut buffer).unwrap().0, 3);
        drop((left, descriptors));
        assert_eq!(receive(right.as_fd(), &mut buffer).unwrap().0, 0);
    }

    #[test]
    fn a_packet_that_does_not_fit_is_an_error() {
        let (left, right) = pair().unwrap();
        send(left.as_fd(), b"too long", &[]).unwrap();
        assert!(receive(right.as_fd(), &mut [0; 4]).is_err());
    }
}
