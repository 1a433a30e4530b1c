//! A restricted network: takes the connections that the code makes and hands them to its way out.
//!
//! Where the sandbox has a network namespace of its own, its listeners are served here, from outside. Where it has none,
//! its warden asks for each connection and gets a socket that is connected to here already. Gone with the execution.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener as StdListener},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use codemode_egress::{Decision, Egress, Service, Session};
use codemode_types::{NetworkPolicy, PROXY_PORT, RESOLVER_PORT};
use codemode_wire::broker::{Answer, Ask, PACKET_BYTES};
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use crate::{sandbox::Broker, socket::PacketSocket};

/// Decisions that nobody has taken note of; whoever wants a further one waits.
const DECISIONS: usize = 64;

/// Pause after `accept` failed, which mostly means that descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a sandbox brought to be served.
#[derive(Debug, Default)]
pub(crate) struct Inlets {
    pub(crate) listeners: Vec<OwnedFd>,
    pub(crate) broker: Option<Broker>,
}

/// Dropping it closes every connection.
#[derive(Debug)]
pub(crate) struct Outlet {
    decisions: mpsc::Receiver<Decision>,
    /// Holds the session.
    _serving: JoinSet<()>,
}

impl Outlet {
    pub(crate) async fn open(egress: &Egress, policy: &NetworkPolicy, inlets: Inlets) -> io::Result<Self> {
        let (sender, decisions) = mpsc::channel(DECISIONS);
        let session = Arc::new(egress.session(policy, sender).map_err(io::Error::other)?);
        let mut serving = JoinSet::new();
        for listener in inlets.listeners {
            let listener = StdListener::from(listener);
            let service = match listener.local_addr()?.port() {
                PROXY_PORT => Service::Proxy,
                RESOLVER_PORT => Service::Resolver,
                _ => Service::Captured,
            };
            serving.spawn(accept(TcpListener::from_std(listener)?, service, Arc::clone(&session)));
        }
        if let Some(Broker { channel, connects }) = inlets.broker {
            let first = Answer { ticket: 0, errno: 0 };
            channel.send(&first.encode(), &[connects.as_fd()]).await?;
            serving.spawn(broker(channel, session));
        }
        Ok(Self { decisions, _serving: serving })
    }

    /// Never resolves once there will be no further one. Cancel safe.
    pub(crate) async fn decision(&mut self) -> Decision {
        match self.decisions.recv().await {
            Some(decision) => decision,
            None => std::future::pending().await,
        }
    }

    /// Closes everything; what was decided and not yet taken note of.
    pub(crate) fn close(self) -> impl Iterator<Item = Decision> {
        let Self { mut decisions, _serving: serving } = self;
        drop(serving);
        std::iter::from_fn(move || decisions.try_recv().ok())
    }
}

async fn accept(listener: TcpListener, service: Service, session: Arc<Session>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Where it was going: all of 127.0.0.0/8 arrives here.
                if let Ok(SocketAddr::V4(destination)) = stream.local_addr() {
                    serve(&session, service, stream, destination);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of a sandbox could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn serve(session: &Session, service: Service, stream: TcpStream, destination: SocketAddrV4) {
    match service {
        Service::Proxy => session.proxy(stream),
        Service::Resolver => session.resolver(stream),
        Service::Captured => session.captured(stream, destination),
    }
}

async fn broker(channel: PacketSocket, session: Arc<Session>) {
    let mut packet = [0; PACKET_BYTES];
    while let Ok((length @ 1.., _)) = channel.receive(&mut packet).await {
        let Ok(Ask { ticket, address, port }) = Ask::decode(&packet[..length]) else { return };
        let destination = SocketAddrV4::new(Ipv4Addr::from(address), port);
        let (errno, theirs) = match connect(&session, destination).await {
            Ok(theirs) => (0, Some(theirs)),
            Err(errno) => (errno.raw_os_error().unsigned_abs(), None),
        };
        let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
        if channel.send(&Answer { ticket, errno }.encode(), &descriptors).await.is_err() {
            return;
        }
    }
}

/// The other end of a connection that is served already.
async fn connect(session: &Session, destination: SocketAddrV4) -> Result<OwnedFd, Errno> {
    let service = session.service(destination).await.ok_or(Errno::CONNREFUSED)?;
    let (ours, theirs) = pair().await.map_err(|error| {
        tracing::warn!(%error, "no connection for a sandbox");
        Errno::CONNREFUSED
    })?;
    serve(session, service, ours, destination);
    theirs.into_std().map(OwnedFd::from).map_err(|_| Errno::CONNREFUSED)
}

/// Two ends of one TCP connection on loopback: programs set TCP's options on theirs.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let theirs = TcpStream::connect(listener.local_addr()?).await?;
    let expected = theirs.local_addr()?;
    // Whoever else found the port in this moment is sent away.
    loop {
        let (ours, peer) = listener.accept().await?;
        if peer == expected {
            theirs.set_nodelay(true)?;
            return Ok((ours, theirs));
        }
    }
}
