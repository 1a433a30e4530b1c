//! The network of a cell: a loopback of its own on which the engine serves, or none, or the daemon's.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, OwnedFd},
};

use codemode_types::{PROXY_PORT, RESOLVER_PORT};
use codemode_wire::{cell::FromCell, zygote::Network};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt::set_socket_reuseaddr};

use super::{
    Step, StepError,
    error::AtStep,
    removed::{Wall, is_removed},
};
use crate::{packet, sys};

/// Connections that wait for the engine, which takes them at once.
const BACKLOG: i32 = 64;

/// Opens what the engine is to serve and hands it out, while there is still the right to. The code's process has none
/// of it. `cell`: the channel to the daemon.
pub(super) fn open(network: &Network, cell: &OwnedFd) -> Result<(), StepError> {
    let Network::Restricted { ports } = network else { return Ok(()) };
    if !is_removed(Wall::Namespaces) {
        start_loopback()?;
    }
    let mut listeners = vec![listener(Ipv4Addr::LOCALHOST, PROXY_PORT)?, listener(Ipv4Addr::LOCALHOST, RESOLVER_PORT)?];
    // The fake addresses that the resolver gives out are all over 127.0.0.0/8.
    for port in ports {
        listeners.push(listener(Ipv4Addr::UNSPECIFIED, *port)?);
    }
    for some in listeners.chunks(packet::MAX_DESCRIPTORS) {
        let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
        packet::send(cell.as_fd(), &FromCell::Network.encode(), &some).at(Step::Report, "listeners")?;
    }
    Ok(())
}

fn start_loopback() -> Result<(), StepError> {
    let socket = tcp_socket().at(Step::Network, "socket")?;
    sys::raise_interface(socket.as_fd(), c"lo").at(Step::Network, "lo")
}

fn tcp_socket() -> Result<OwnedFd, rustix::io::Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
}

fn listener(address: Ipv4Addr, port: u16) -> Result<OwnedFd, StepError> {
    let make = || {
        let socket = tcp_socket()?;
        set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddrV4::new(address, port))?;
        listen(&socket, BACKLOG)?;
        Ok::<_, rustix::io::Errno>(socket)
    };
    make().at(Step::Network, format_args!("listen on {address}:{port}"))
}
