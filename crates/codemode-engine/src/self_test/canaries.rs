//! Listeners that the engine opens for the time of the self-test and that no sandbox may reach.

use std::{
    io::{self, Read},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixListener},
    },
};

use codemode_types::NetworkMode;
use rustix::net::AddressFamily;

const LOCAL: &str = "an abstract socket of the executor";

/// Calls taken per look: strangers may call too.
const MOST_CALLS: usize = 256;

#[derive(Debug)]
pub(super) struct Canaries {
    /// `None`: this machine has no loopback network.
    tcp: Option<(TcpListener, SocketAddr)>,
    local: (UnixListener, Vec<u8>),
    /// By what it brings a call is known to be the sandbox's: any local program may call a port.
    token: Vec<u8>,
}

impl Canaries {
    pub(super) fn open(token: &str) -> io::Result<Self> {
        let tcp = loopback()?;
        let name = format!("codemode-{token}").into_bytes();
        let local = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name)?)?;
        local.set_nonblocking(true)?;
        Ok(Self { tcp, local: (local, name), token: token.into() })
    }

    /// What each is called, its address family, and its address as the kernel reads it.
    pub(super) fn addresses(&self, network: NetworkMode) -> Vec<(String, u16, Vec<u8>)> {
        // With the daemon's own network, what listens there is meant to be reached.
        let tcp = self.tcp.as_ref().filter(|_| network != NetworkMode::All);
        let tcp = tcp.map(|(_, address)| (address.to_string(), family(*address), internet(*address)));
        let unix = AddressFamily::UNIX.as_raw();
        let local = [unix.to_ne_bytes().as_slice(), &[0], &self.local.1].concat();
        tcp.into_iter().chain([(LOCAL.to_owned(), unix, local)]).collect()
    }

    /// Which of them was called from a sandbox, if any. Everything that a dead sandbox sent has arrived.
    pub(super) fn visited(&self) -> Option<String> {
        let tcp = self.tcp.as_ref().filter(|(listener, _)| {
            self.called(|| listener.accept().and_then(|(call, _)| call.set_nonblocking(true).map(|()| call)))
        });
        let listener = &self.local.0;
        let local =
            || self.called(|| listener.accept().and_then(|(call, _)| call.set_nonblocking(true).map(|()| call)));
        tcp.map(|(_, address)| address.to_string()).or_else(|| local().then(|| LOCAL.to_owned()))
    }

    fn called<C: Read>(&self, mut accept: impl FnMut() -> io::Result<C>) -> bool {
        (0..MOST_CALLS).map_while(|_| accept().ok()).any(|mut call| {
            let mut said = vec![0; self.token.len()];
            call.read_exact(&mut said).is_ok() && said == self.token
        })
    }
}

fn loopback() -> io::Result<Option<(TcpListener, SocketAddr)>> {
    let both = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    for address in both {
        match TcpListener::bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                return Ok(Some((listener, address)));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

const fn family(address: SocketAddr) -> u16 {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET.as_raw(),
        SocketAddr::V6(_) => AddressFamily::INET6.as_raw(),
    }
}

/// `struct sockaddr_in`, `struct sockaddr_in6`.
pub(super) fn internet(address: SocketAddr) -> Vec<u8> {
    let (family, port) = (family(address).to_ne_bytes(), address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => [&family[..], &port, &address.ip().octets(), &[0; 8]].concat(),
        SocketAddr::V6(address) => [&family[..], &port, &[0; 4], &address.ip().octets(), &[0; 4]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpStream, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn a_call_that_brings_the_token_is_noticed_and_any_other_is_not() {
        let canaries = Canaries::open("0123456789abcdef").unwrap();
        let port = canaries.tcp.as_ref().unwrap().1;
        let address = UnixAddr::from_abstract_name(&canaries.local.1).unwrap();
        let silent = TcpStream::connect(port).unwrap();
        TcpStream::connect(port).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        UnixStream::connect_addr(&address).unwrap().write_all(b"0123").unwrap();
        assert_eq!(canaries.visited(), None);
        drop(silent);
        TcpStream::connect(port).unwrap().write_all(b"0123456789abcdef").unwrap();
        assert_eq!(canaries.visited(), Some(port.to_string()));
        UnixStream::connect_addr(&address).unwrap().write_all(b"0123456789abcdef").unwrap();
        assert_eq!(canaries.visited().as_deref(), Some(LOCAL));
    }

    #[test]
    fn addresses_are_as_the_kernel_reads_them() {
        let four = internet(SocketAddr::from((Ipv4Addr::LOCALHOST, 0x0102)));
        assert_eq!(four[2..], [1, 2, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let six = internet(SocketAddr::from((Ipv6Addr::LOCALHOST, 0x0102)));
        assert_eq!((six.len(), &six[2..8], six[23]), (28, &[1, 2, 0, 0, 0, 0][..], 1));
    }
}
