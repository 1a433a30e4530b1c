use std::{
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

use super::*;

#[path = "../tests/support/loopback.rs"]
mod loopback;

const PUBLIC: &str = "93.184.215.14";

/// Gives each of the answers once, and the last one from then on.
#[derive(Debug)]
struct Answers {
    answers: Vec<Result<Vec<IpAddr>, ResolveError>>,
    asked: AtomicUsize,
}

impl Answers {
    fn each(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |answer: &&[&str]| Ok(answer.iter().map(|address| address.parse().unwrap()).collect());
        Arc::new(Self { answers: answers.iter().map(addresses).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Answers {
    fn resolve(&self, _: &codemode_types::domain::DomainName) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers[asked.min(self.answers.len() - 1)].clone();
        Box::pin(async { answer })
    }
}

/// What becomes of a connection to an address that is not listed here: refused.
#[derive(Debug, Default)]
struct Net {
    silent: Vec<IpAddr>,
    /// Where this server really is.
    served: Vec<(IpAddr, SocketAddr)>,
    /// Whether the connections look as if they had reached the address that was asked for.
    pretends: bool,
    tried: Mutex<Vec<IpAddr>>,
    under_way: Arc<()>,
}

impl Connect for Net {
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        self.tried.lock().unwrap().push(address.ip());
        if self.silent.contains(&address.ip()) {
            let under_way = Arc::clone(&self.under_way);
            return Box::pin(async move {
                let _under_way = under_way;
                std::future::pending().await
            });
        }
        let server = self.served.iter().find(|(served, _)| *served == address.ip()).map(|(_, server)| *server);
        Box::pin(loopback::connect(server))
    }

    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        let peer = stream.peer_addr()?;
        let served = self.served.iter().find(|(_, server)| self.pretends && *server == peer);
        Ok(served.map_or(peer, |(address, _)| SocketAddr::new(*address, 443)))
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn networks(texts: &[&str]) -> Vec<PrivateNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn dialer(answers: &Arc<Answers>, net: &Arc<Net>) -> Dialer {
    Dialer::new(answers.clone(), net.clone())
}

async fn lookup(answer: &[&str], allowed: &[&str]) -> Result<Checked, DialError> {
    let dialer = dialer(&Answers::each(&[answer]), &Arc::default());
    dialer.lookup(&host("example.com"), &networks(allowed)).await
}

async fn refused(answer: &[&str], allowed: &[&str]) -> IpAddr {
    match lookup(answer, allowed).await {
        Err(DialError::Special { address, class }) => {
            assert!(!class.is_empty());
            address
        }
        other => panic!("{answer:?} with {allowed:?}: {other:?}"),
    }
}

#[tokio::test]
async fn one_address_that_is_not_allowed_refuses_the_whole_answer() {
    for bad in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "fd12::1"] {
        assert_eq!(refused(&[PUBLIC, bad], &[]).await, ip(bad));
        assert_eq!(refused(&[bad, PUBLIC], &[]).await, ip(bad));
        assert_eq!(refused(&["2600:1f18::1", PUBLIC, bad], &[]).await, ip(bad));
    }
    assert_eq!(lookup(&[PUBLIC, "2600:1f18::1"], &[]).await.unwrap().addresses().len(), 2);
}

#[tokio::test]
async fn an_allowed_network_lets_its_addresses_through_and_no_others() {
    let allowed = ["10.0.0.0/8", "fd12::/16"];
    for good in ["10.1.2.3", "fd12::7"] {
        assert_eq!(lookup(&[good, PUBLIC], &allowed).await.unwrap().addresses().len(), 2);
    }
    for bad in [
        "192.168.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "fd13::7",
        "::1",
        "::ffff:10.1.2.3",
        "::ffff:93.184.215.14",
        "::10.1.2.3",
        "64:ff9b::a01:203",
        "2002:a01:203::1",
    ] {
        assert_eq!(refused(&["10.1.2.3", bad], &allowed).await, ip(bad));
    }
}

#[tokio::test]
async fn a_metadata_service_inside_an_allowed_network_is_refused() {
    for (network, bad) in [
        ("100.64.0.0/10", "100.100.100.200"),
        ("192.0.0.0/24", "192.0.0.192"),
        ("fd00::/8", "fd00:ec2::254"),
        ("fd20::/16", "fd20:ce::254"),
    ] {
        assert_eq!(refused(&[bad], &[network]).await, ip(bad));
    }
}

#[tokio::test]
async fn a_literal_is_checked_without_being_resolved() {
    let answers = Answers::each(&[&[PUBLIC]]);
    let dialer = dialer(&answers, &Arc::default());
    for bad in ["127.0.0.1", "[::1]", "169.254.169.254", "10.1.2.3", "::ffff:93.184.215.14"] {
        assert!(matches!(dialer.lookup(&host(bad), &[]).await, Err(DialError::Special { .. })), "{bad}");
    }
    assert_eq!(dialer.lookup(&host(PUBLIC), &[]).await.unwrap().addresses(), [ip(PUBLIC)]);
    let allowed = networks(&["10.1.2.0/24"]);
    assert_eq!(dialer.lookup(&host("10.1.2.3"), &allowed).await.unwrap().addresses(), [ip("10.1.2.3")]);
    assert_eq!(answers.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_that_changes_between_check_and_use_is_not_used() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let answers = Answers::each(&[&[PUBLIC], &["127.0.0.1"]]);
    let served = vec![(ip(PUBLIC), server.local_addr().unwrap())];
    let net = Arc::new(Net { served, pretends: true, ..Net::default() });
    let dialer = dialer(&answers, &net);

    let checked = dialer.lookup(&host("example.com"), &[]).await.unwrap();
    let dialed = checked.connect(443).await.unwrap();
    assert_eq!(dialed.address, SocketAddr::new(ip(PUBLIC), 443));
    assert!(dialed.stream.nodelay().unwrap());
    assert_eq!(*net.tried.lock().unwrap(), [ip(PUBLIC)]);
    assert_eq!(answers.asked.load(Ordering::Relaxed), 1, "connecting does not resolve again");
    assert!(matches!(dialer.lookup(&host("example.com"), &[]).await, Err(DialError::Special { .. })));
}

#[tokio::test]
async fn a_connection_that_ends_up_elsewhere_is_closed() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    let net = Arc::new(Net { served: vec![(ip(PUBLIC), address)], ..Net::default() });
    let checked = dialer(&Answers::each(&[&[PUBLIC]]), &net).lookup(&host("example.com"), &[]).await.unwrap();
    let error = checked.connect(443).await.unwrap_err();
    let DialError::OtherPeer { asked, connected } = error else { panic!("{error}") };
    assert_eq!((asked, connected), (SocketAddr::new(ip(PUBLIC), 443), address));
    let (mut stream, _) = server.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "closed, with nothing sent");
}

#[tokio::test]
async fn another_port_is_another_peer() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let served = vec![(ip(PUBLIC), server.local_addr().unwrap())];
    let net = Arc::new(Net { served, pretends: true, ..Net::default() });
    let checked = dialer(&Answers::each(&[&[PUBLIC]]), &net).lookup(&host("example.com"), &[]).await.unwrap();
    assert!(matches!(checked.connect(80).await, Err(DialError::OtherPeer { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_gets_company_soon() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let net = Arc::new(Net {
        silent: vec![ip("2600:1f18::1")],
        served: vec![(ip(PUBLIC), server.local_addr().unwrap())],
        pretends: true,
        ..Net::default()
    });
    let answers = Answers::each(&[&[PUBLIC, "2600:1f18::1"]]);
    let checked = dialer(&answers, &net).lookup(&host("example.com"), &[]).await.unwrap();
    let start = Instant::now();
    assert_eq!(checked.connect(443).await.unwrap().address.ip(), ip(PUBLIC));
    assert!((STAGGER..2 * STAGGER).contains(&start.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_the_time_for_a_connection_and_leaves_no_attempt() {
    let silent: Vec<String> = (1..=40).map(|number| format!("93.184.215.{number}")).collect();
    let net = Arc::new(Net { silent: silent.iter().map(|address| ip(address)).collect(), ..Net::default() });
    let answer: Vec<&str> = silent.iter().map(String::as_str).collect();
    let checked = dialer(&Answers::each(&[&answer]), &net).lookup(&host("example.com"), &[]).await.unwrap();
    let start = Instant::now();
    assert!(matches!(checked.connect(443).await, Err(DialError::TimedOut)));
    assert_eq!(start.elapsed(), CONNECT_TIMEOUT);
    assert_eq!(net.tried.lock().unwrap().len(), MOST_ADDRESSES);
    while Arc::strong_count(&net.under_way) > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_silent_address_has_its_own_limit() {
    let net = Arc::new(Net { silent: vec![ip(PUBLIC)], ..Net::default() });
    let checked = dialer(&Answers::each(&[&[PUBLIC]]), &net).lookup(&host("example.com"), &[]).await.unwrap();
    let start = Instant::now();
    assert!(matches!(checked.connect(443).await, Err(DialError::TimedOut)));
    assert_eq!(start.elapsed(), ADDRESS_TIMEOUT);
}

#[tokio::test]
async fn every_address_is_tried_once_in_turns_of_the_families() {
    let answer = ["93.184.215.1", "93.184.215.2", "93.184.215.1", "2600:1f18::1", "2600:1f18::1", "93.184.215.3"];
    let net = Arc::new(Net::default());
    let checked = dialer(&Answers::each(&[&answer]), &net).lookup(&host("example.com"), &[]).await.unwrap();
    let Err(DialError::Unreachable(error)) = checked.connect(443).await else { panic!("nothing is there") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let expected = ["2600:1f18::1", "93.184.215.1", "93.184.215.2", "93.184.215.3"].map(ip);
    assert_eq!(*net.tried.lock().unwrap(), expected);
}

#[tokio::test]
async fn addresses_beyond_those_that_are_tried_are_checked_too() {
    let mut answer = vec![PUBLIC; 500];
    answer.push("10.0.0.1");
    assert_eq!(refused(&answer, &[]).await, ip("10.0.0.1"));
}

#[tokio::test]
async fn a_name_without_addresses_is_no_name() {
    assert!(matches!(lookup(&[], &[]).await, Err(DialError::NoSuchName)));
}
