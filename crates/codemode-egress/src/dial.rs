//! From a host to a connection: every address is checked before it is used, and the connected peer once more.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use codemode_types::{
    address::{self, PrivateNetwork},
    domain::Host,
};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{error::Elapsed, timeout},
};

use crate::resolve::{BoxFuture, Resolve, ResolveError};

/// How many addresses of an answer are tried. All of them are checked.
const MOST_ADDRESSES: usize = 32;
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// RFC 8305, section 5: an address that has not answered by then gets company.
const STAGGER: Duration = Duration::from_millis(250);

/// Opens TCP connections.
pub trait Connect: Send + Sync + fmt::Debug {
    /// A connection to exactly this address; the caller makes sure.
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>>;

    /// What is at the other end of a connection that it made. A test may answer for a server that it put on loopback.
    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.peer_addr()
    }
}

/// Connections from the daemon's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemConnect;

impl Connect for SystemConnect {
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}

/// Resolves, checks, connects.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    resolve: Arc<dyn Resolve>,
    connect: Arc<dyn Connect>,
}

/// A host's addresses, each one allowed. Using them up is the only way to connect, so no later answer can replace them.
#[derive(Debug)]
pub(crate) struct Checked {
    addresses: Vec<IpAddr>,
    connect: Arc<dyn Connect>,
}

/// A connection and the address at its other end.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the name does not exist or has no address")]
    NoSuchName,
    #[error("{0}")]
    Resolve(String),
    #[error(
        "it leads to {address} ({class}); only private networks can be allowed, by listing them in network.allowed_networks"
    )]
    Special { address: IpAddr, class: &'static str },
    #[error("the connection to {asked} ended up at {connected}")]
    OtherPeer { asked: SocketAddr, connected: SocketAddr },
    #[error("{0}")]
    Unreachable(#[source] io::Error),
    #[error("no answer within the time for a connection")]
    TimedOut,
}

impl Dialer {
    pub(crate) fn new(resolve: Arc<dyn Resolve>, connect: Arc<dyn Connect>) -> Self {
        Self { resolve, connect }
    }

    /// The host's addresses at this moment. One that is not allowed refuses them all: an answer that mixes is an attack
    /// or a mistake. `networks` are the policy's `allowed_networks`.
    pub(crate) async fn lookup(&self, host: &Host, networks: &[PrivateNetwork]) -> Result<Checked, DialError> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolve.resolve(name).await?,
        };
        if addresses.is_empty() {
            return Err(DialError::NoSuchName);
        }
        for address in &addresses {
            check(*address, networks)?;
        }
        Ok(Checked { addresses: interleaved(addresses), connect: Arc::clone(&self.connect) })
    }
}

impl Checked {
    /// In the order in which they are tried; never empty.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Connects to one of the addresses: in order, each next one when the one before has failed or is slow.
    pub(crate) async fn connect(self, port: u16) -> Result<Dialed, DialError> {
        let Dialed { stream, address } = timeout(CONNECT_TIMEOUT, self.first(port)).await??;
        stream.set_nodelay(true).map_err(DialError::Unreachable)?;
        Ok(Dialed { stream, address })
    }

    async fn first(&self, port: u16) -> Result<Dialed, DialError> {
        let mut waiting = self.addresses.iter();
        // Dropping it ends the attempts that have not won.
        let mut attempts = JoinSet::new();
        let mut failure = DialError::TimedOut;
        loop {
            if let Some(address) = waiting.next() {
                attempts.spawn(attempt(Arc::clone(&self.connect), SocketAddr::new(*address, port)));
            }
            let patience = if waiting.len() == 0 { CONNECT_TIMEOUT } else { STAGGER };
            match timeout(patience, attempts.join_next()).await {
                Ok(Some(Ok((asked, Ok(stream))))) => return self.verified(asked, stream),
                Ok(Some(Ok((_, Err(error))))) => failure = error,
                Ok(Some(Err(panic))) => failure = DialError::Unreachable(io::Error::other(panic)),
                // Nothing is under way. With nothing left to start either, that was all.
                Ok(None) if waiting.len() == 0 => return Err(failure),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// What is at the other end is one of the addresses that were checked, whoever made the connection.
    fn verified(&self, asked: SocketAddr, stream: TcpStream) -> Result<Dialed, DialError> {
        let connected = self.connect.peer(&stream).map_err(DialError::Unreachable)?;
        if (connected.ip(), connected.port()) != (asked.ip(), asked.port()) {
            return Err(DialError::OtherPeer { asked, connected });
        }
        Ok(Dialed { stream, address: connected })
    }
}

async fn attempt(connect: Arc<dyn Connect>, asked: SocketAddr) -> (SocketAddr, Result<TcpStream, DialError>) {
    let result = match timeout(ADDRESS_TIMEOUT, connect.connect(asked)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(DialError::Unreachable(error)),
        Err(_) => Err(DialError::TimedOut),
    };
    (asked, result)
}

fn check(address: IpAddr, networks: &[PrivateNetwork]) -> Result<(), DialError> {
    let covered = || networks.iter().any(|network| network.contains(address));
    let class = address::never(address).or_else(|| address::special(address).filter(|_| !covered()));
    class.map_or(Ok(()), |class| Err(DialError::Special { address, class }))
}

/// IPv6 and IPv4 in turn, each in the order of the answer and once (RFC 8305, section 4).
fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let turns = (0..v6.len().max(v4.len())).flat_map(|turn| [v6.get(turn), v4.get(turn)]);
    let mut found = Vec::new();
    for address in turns.flatten() {
        if found.len() < MOST_ADDRESSES && !found.contains(address) {
            found.push(*address);
        }
    }
    found
}

impl From<ResolveError> for DialError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NoSuchName => Self::NoSuchName,
            ResolveError::TimedOut | ResolveError::Failed(_) => Self::Resolve(error.to_string()),
        }
    }
}

impl From<Elapsed> for DialError {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
