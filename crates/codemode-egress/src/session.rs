//! One execution's way out: what it may reach, what it has used up, and every connection it has open.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use codemode_types::{
    NetworkPolicy, PROXY_PORT, PolicyError, RESOLVER_PORT,
    address::PrivateNetwork,
    domain::{DomainRules, Host, Permission},
};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    captured,
    connection::Connection,
    decision::{Decision, Refusal, Via},
    dial::{Connect, Dialer, SystemConnect},
    limits::Budget,
    proxy,
    resolve::{BoxFuture, Resolve, Resolver},
    stub::{Names, Refused, Stub},
};

/// Connections over the limit that are being told so. More are closed without a word.
const MOST_REFUSALS: usize = 16;

/// What a connection from the sandbox is for, by the address it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// For `Session::proxy`.
    Proxy,
    /// For `Session::resolver`.
    Resolver,
    /// For `Session::captured`.
    Captured,
}

/// How a daemon reaches the world. Cheap to clone; the resolver's cache is shared.
#[derive(Debug, Clone)]
pub struct Egress {
    dialer: Dialer,
}

impl Egress {
    /// With the machine's own resolver and network.
    #[must_use]
    pub fn system() -> Self {
        Self::with(Arc::new(Resolver::system()), Arc::new(SystemConnect))
    }

    #[must_use]
    pub fn with(resolve: Arc<dyn Resolve>, connect: Arc<dyn Connect>) -> Self {
        Self { dialer: Dialer::new(resolve, connect) }
    }

    /// For one execution under `policy`, whose mode is taken to be `restricted`. Every decision goes to `decisions`
    /// before anything leaves the machine because of it; when nobody receives them any more, the session is over.
    ///
    /// # Errors
    ///
    /// A domain of the policy that is none.
    pub fn session(&self, policy: &NetworkPolicy, decisions: mpsc::Sender<Decision>) -> Result<Session, PolicyError> {
        let most = usize::try_from(policy.max_connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            rules: DomainRules::new(policy)?,
            ports: policy.ports.iter().copied().collect(),
            networks: policy.allowed_networks.clone(),
            idle: policy.idle_timeout,
            most_connections: most,
            connections: Arc::new(Semaphore::new(most)),
            // A resolver that waits must not cost the connection it is asked for.
            resolvers: Arc::new(Semaphore::new(most)),
            refusals: Arc::new(Semaphore::new(MOST_REFUSALS)),
            budget: Arc::new(Budget::new(policy.max_bytes.bytes())),
            stub: Stub::new(),
            dialer: self.dialer.clone(),
            decisions,
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        };
        Ok(Session { shared: Arc::new(shared) })
    }
}

/// One execution's connections. Dropping it closes them.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

/// What all connections of a session have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    rules: DomainRules,
    ports: HashSet<u16>,
    pub(crate) networks: Vec<PrivateNetwork>,
    pub(crate) idle: Duration,
    most_connections: usize,
    connections: Arc<Semaphore>,
    resolvers: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) stub: Stub,
    pub(crate) dialer: Dialer,
    decisions: mpsc::Sender<Decision>,
    tasks: TaskTracker,
    over: CancellationToken,
}

impl Session {
    /// Serves a connection to the proxy's port. Returns at once.
    pub fn proxy(&self, stream: TcpStream) {
        self.serve(stream, Entry::Proxy);
    }

    /// Serves a connection that went to `destination`, an address that the stub resolver gave out. Returns at once.
    pub fn captured(&self, stream: TcpStream, destination: SocketAddrV4) {
        self.serve(stream, Entry::Captured(destination));
    }

    /// Serves a connection to the stub resolver's port. Returns at once.
    pub fn resolver(&self, stream: TcpStream) {
        self.serve(stream, Entry::Resolver);
    }

    /// What a connection to `destination` is for. Nothing: it must fail, and a decision has said so.
    pub async fn service(&self, destination: SocketAddrV4) -> Option<Service> {
        let (address, port) = (*destination.ip(), destination.port());
        match (address, port) {
            (Ipv4Addr::LOCALHOST, PROXY_PORT) => return Some(Service::Proxy),
            (Ipv4Addr::LOCALHOST, RESOLVER_PORT) => return Some(Service::Resolver),
            _ => {}
        }
        let (host, refusal) = match self.shared.stub.name_of(address) {
            Some(_) if self.shared.ports.contains(&port) => return Some(Service::Captured),
            Some(name) => (name.to_string(), Refusal::Port(port)),
            None => (address.to_string(), Refusal::Direct),
        };
        let decision = Decision { host, port, via: Via::Direct, address: None, verdict: Err(refusal) };
        self.shared.send(decision).await;
        None
    }

    /// Closes every connection and waits until that is done.
    pub async fn close(self) {
        self.shared.over.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// In a task that has a place among those that are served or, if there is none, among those that are refused.
    fn serve(&self, stream: TcpStream, entry: Entry) {
        let shared = &self.shared;
        let places = if entry == Entry::Resolver { &shared.resolvers } else { &shared.connections };
        let (place, mut admitted) = match Arc::clone(places).try_acquire_owned() {
            Ok(place) => (place, Ok(())),
            Err(_) => match Arc::clone(&shared.refusals).try_acquire_owned() {
                Ok(place) => (place, Err(Refusal::TooManyConnections(shared.most_connections))),
                // The others tell the same story.
                Err(_) => return,
            },
        };
        if shared.budget.is_spent() {
            admitted = Err(Refusal::TooManyBytes(shared.budget.limit()));
        }
        let session = Arc::clone(shared);
        // The place is free when the sockets are closed.
        shared.spawn(async move {
            entry.run(session, stream, admitted).await;
            drop(place);
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.over.cancel();
    }
}

/// Which port a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Proxy,
    Captured(SocketAddrV4),
    Resolver,
}

impl Entry {
    async fn run(self, session: Arc<Shared>, stream: TcpStream, admitted: Result<(), Refusal>) {
        match (self, admitted) {
            (Self::Proxy, admitted) => {
                let connection = Connection::new(session);
                connection.run(admitted.is_ok(), proxy::serve(&connection, stream, admitted)).await;
            }
            (Self::Captured(destination), admitted) => {
                let connection = Connection::new(session);
                connection.run(admitted.is_ok(), captured::serve(&connection, stream, destination, admitted)).await;
            }
            // The stub has limits of its own, and what it sends goes to nobody else.
            (Self::Resolver, Ok(())) => session.stub.serve(stream, &session).await,
            (Self::Resolver, Err(refusal)) => {
                drop(stream);
                let host = String::new();
                let verdict = Err(refusal);
                session.send(Decision { host, port: RESOLVER_PORT, via: Via::Dns, address: None, verdict }).await;
            }
        }
    }
}

impl Shared {
    /// A task that ends with the session, at its next turn.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let over = self.over.clone();
        self.tasks.spawn(async move {
            over.run_until_cancelled_owned(task).await;
        })
    }

    /// Whether the decision was taken. If nobody takes decisions any more, the session is over.
    pub(crate) async fn send(&self, decision: Decision) -> bool {
        let sent = self.over.run_until_cancelled(self.decisions.send(decision)).await;
        if !matches!(sent, Some(Ok(()))) {
            self.over.cancel();
        }
        matches!(sent, Some(Ok(())))
    }

    /// Whether nobody takes decisions any more; asked before the resolver is.
    pub(crate) fn is_over(&self) -> bool {
        if self.decisions.is_closed() {
            self.over.cancel();
        }
        self.over.is_cancelled()
    }

    /// Name and port, before anything is looked up.
    pub(crate) fn judge_target(&self, host: &Host, port: u16) -> Result<(), Refusal> {
        match (self.rules.judge(host), host) {
            (Permission::Blocked, _) => Err(Refusal::Blocked),
            (Permission::NotListed, Host::Name(_)) => Err(Refusal::NotListed),
            (Permission::NotListed, Host::Address(_)) => Err(Refusal::AddressLiteral),
            (Permission::Allowed, _) if !self.ports.contains(&port) => Err(Refusal::Port(port)),
            (Permission::Allowed, _) => Ok(()),
        }
    }

    /// Whether an address that a name led to was blocked as an address.
    pub(crate) fn blocks(&self, address: IpAddr) -> bool {
        self.rules.judge(&Host::Address(address)) == Permission::Blocked
    }
}

impl Names for Arc<Shared> {
    fn judge(&self, host: &Host) -> Permission {
        self.rules.judge(host)
    }

    fn refused(&self, refused: Refused) -> BoxFuture<()> {
        let session = Arc::clone(self);
        Box::pin(async move {
            let refusal = if refused.permission == Permission::Blocked { Refusal::Blocked } else { Refusal::NotListed };
            let (host, verdict) = (refused.host, Err(refusal));
            session.send(Decision { host, port: 0, via: Via::Dns, address: None, verdict }).await;
        })
    }
}
