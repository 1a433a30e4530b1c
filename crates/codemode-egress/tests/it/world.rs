//! A small internet on loopback: names, public-looking addresses, and servers that a test writes.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex},
    time::Duration,
};

use codemode_egress::{BoxFuture, Connect, Decision, Egress, Resolve, ResolveError, Session};
use codemode_types::{ByteSize, NetworkPolicy, domain::DomainName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

#[path = "../support/loopback.rs"]
mod loopback;

/// What the tests ask for by name.
pub(crate) const LISTED: [(&str, &str); 3] = [
    ("example.org", "93.184.215.14"),
    ("api.example.net", "93.184.215.15"),
    ("xn--bcher-kva.example", "93.184.215.16"),
];

#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) names: Mutex<HashMap<String, Vec<IpAddr>>>,
    /// Where the servers really are.
    servers: Mutex<HashMap<SocketAddr, SocketAddr>>,
    /// In order: what was looked up and connected to, and what was decided by then.
    pub(crate) log: Mutex<Vec<String>>,
    decisions: Mutex<Option<mpsc::Receiver<Decision>>>,
}

impl Net {
    fn note(&self, what: String) {
        let mut log = self.log.lock().unwrap();
        if let Some(decisions) = &mut *self.decisions.lock().unwrap() {
            while let Ok(decision) = decisions.try_recv() {
                log.push(line(&decision));
            }
        }
        log.push(what);
    }
}

impl Resolve for Net {
    fn resolve(&self, name: &DomainName) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>> {
        self.note(format!("resolve {name}"));
        let answer = self.names.lock().unwrap().get(name.as_str()).cloned().ok_or(ResolveError::NoSuchName);
        Box::pin(async { answer })
    }
}

/// Not `Net` itself, so that the test keeps its own handle.
#[derive(Debug)]
struct Wire(Arc<Net>);

impl Connect for Wire {
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        self.0.note(format!("dial {address}"));
        let server = self.0.servers.lock().unwrap().get(&address).copied();
        Box::pin(loopback::connect(server))
    }

    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        let peer = stream.peer_addr()?;
        let servers = self.0.servers.lock().unwrap();
        Ok(servers.iter().find(|(_, real)| **real == peer).map_or(peer, |(public, _)| *public))
    }
}

/// One execution, and the world that it may reach parts of.
pub(crate) struct World {
    pub(crate) net: Arc<Net>,
    pub(crate) session: Session,
    decisions: Option<mpsc::Receiver<Decision>>,
    pub(crate) servers: JoinSet<()>,
}

pub(crate) fn policy() -> NetworkPolicy {
    NetworkPolicy {
        allowed_domains: ["example.org", "*.example.net", "xn--bcher-kva.example"].map(str::to_owned).into(),
        blocked_domains: vec!["blocked.example.net".into()],
        ..NetworkPolicy::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&policy())
    }

    pub(crate) fn with_bytes(bytes: u64) -> Self {
        Self::with(&NetworkPolicy { max_bytes: ByteSize(bytes), ..policy() })
    }

    pub(crate) fn with_idle(seconds: u64) -> Self {
        Self::with(&NetworkPolicy { idle_timeout: Duration::from_secs(seconds), ..policy() })
    }

    pub(crate) fn with(policy: &NetworkPolicy) -> Self {
        let net = Arc::new(Net::default());
        for (name, address) in LISTED {
            net.names.lock().unwrap().insert(name.into(), vec![address.parse().unwrap()]);
        }
        let (sender, decisions) = mpsc::channel(64);
        let egress = Egress::with(Arc::clone(&net) as Arc<dyn Resolve>, Arc::new(Wire(Arc::clone(&net))));
        let session = egress.session(policy, sender).unwrap();
        Self { net, session, decisions: Some(decisions), servers: JoinSet::new() }
    }

    pub(crate) fn name(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.net.names.lock().unwrap().insert(name.into(), addresses);
    }

    /// A server at a public address, with a task for each connection.
    pub(crate) async fn serve<F>(&mut self, address: &str, each: impl Fn(TcpStream) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        self.net.servers.lock().unwrap().insert(address.parse().unwrap(), listener.local_addr().unwrap());
        self.servers.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                connections.spawn(each(listener.accept().await.unwrap().0));
            }
        });
    }

    /// A server that answers every request with `answer` and keeps what it got.
    pub(crate) async fn answer(&mut self, address: &str, answer: &'static str) -> Requests {
        let requests = Requests::default();
        let kept = requests.clone();
        self.serve(address, move |stream| answering(stream, answer, kept.clone())).await;
        requests
    }

    /// The sandbox's end of a connection to the proxy's port.
    pub(crate) async fn proxy(&self) -> TcpStream {
        let (ours, theirs) = pair().await;
        self.session.proxy(ours);
        theirs
    }

    pub(crate) async fn captured(&self, destination: SocketAddrV4) -> TcpStream {
        let (ours, theirs) = pair().await;
        self.session.captured(ours, destination);
        theirs
    }

    pub(crate) async fn resolver(&self) -> TcpStream {
        let (ours, theirs) = pair().await;
        self.session.resolver(ours);
        theirs
    }

    /// All that comes back for these bytes on a new connection to the proxy, which the proxy has to end.
    pub(crate) async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.proxy().await;
        stream.write_all(request).await.unwrap();
        rest(&mut stream).await
    }

    pub(crate) async fn decision(&mut self) -> Decision {
        self.decisions.as_mut().unwrap().recv().await.unwrap()
    }

    /// The next decisions, in the form of `line`.
    pub(crate) async fn decided(&mut self, expected: &[&str]) {
        let mut found = Vec::new();
        for _ in expected {
            found.push(line(&self.decision().await));
        }
        assert_eq!(found, expected);
    }

    /// No decision is waiting.
    pub(crate) fn decided_nothing(&mut self) {
        assert!(self.decisions.as_mut().unwrap().try_recv().is_err());
    }

    /// From now on decisions are in the log, in the order in which things happened.
    pub(crate) fn log_decisions(&mut self) {
        *self.net.decisions.lock().unwrap() = self.decisions.take();
    }

    pub(crate) fn drop_decisions(&mut self) {
        self.decisions = None;
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.net.log.lock().unwrap().clone()
    }
}

/// `via host:port word`, with `allowed` and the address for what is.
pub(crate) fn line(decision: &Decision) -> String {
    let Decision { host, port, via, address, verdict } = decision;
    match verdict {
        Ok(()) => format!("{via} {host}:{port} allowed {}", address.map_or_else(String::new, |ip| ip.to_string())),
        Err(refusal) => format!("{via} {host}:{port} {}", refusal.word()),
    }
}

/// What a server got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn answering(mut stream: TcpStream, answer: &'static str, requests: Requests) {
    while let Some(head) = head(&mut stream).await {
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        requests.0.lock().unwrap().push(head + &String::from_utf8(body).unwrap());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A request's or an answer's head; nothing at the end of the connection.
pub(crate) async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// All that comes until the peer closes. A reset ends it as well.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, theirs)
}

/// A head that has to be a refusal with this status and word.
#[track_caller]
pub(crate) fn assert_refused(answer: &str, status: u16, word: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("\r\ncodemode-refusal: {word}\r\n")), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(body.starts_with("codemode: ") && body.ends_with('\n'), "{answer}");
}
