//! What a cell has of a network.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddr, UnixListener},
    },
    thread,
};

use codemode_types::NetworkMode;
use codemode_wire::zygote::{Network, Spawn};

use crate::{
    cell::result,
    harness::{Cell, Ended, Zygote, ordinary, policy},
};

const PORTS: [u16; 3] = [80, 443, 8443];

fn zygote(mode: NetworkMode) -> Zygote {
    let mut policy = policy(&[], None);
    policy.network.mode = mode;
    Zygote::start(&policy)
}

fn restricted() -> Spawn {
    Spawn { network: Network::Restricted { ports: PORTS.to_vec() }, ..ordinary(&[]) }
}

/// Nothing serves what is listened to.
fn run(mode: NetworkMode, network: Network, code: &str) -> Ended {
    zygote(mode).spawn(Spawn { network, ..ordinary(&[]) }).run(code, &[])
}

fn listener(cell: &mut Cell, port: u16) -> TcpListener {
    let index = cell.listeners.iter().position(|it| it.local_addr().unwrap().port() == port).unwrap();
    cell.listeners.swap_remove(index)
}

const ATTEMPTS: &str = "
import errno, socket
def attempt(address, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
    try:
        with socket.socket(family, kind, protocol) as it:
            it.settimeout(5)
            it.connect(address)
            return 'connected'
    except OSError as error:
        return errno.errorcode[error.errno]
";

#[test]
fn what_the_code_connects_to_is_served_from_outside_and_tells_where_it_was_going() {
    let zygote = zygote(NetworkMode::Restricted);
    let mut cell = zygote.spawn(restricted());
    let mut ports: Vec<_> = cell.listeners.iter().map(|it| it.local_addr().unwrap().port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [53, 80, 443, 3128, 8443]);
    let captured = listener(&mut cell, 443);
    captured.set_nonblocking(false).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = captured.accept().unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(b"there").unwrap();
        (said, stream.local_addr().unwrap())
    });
    let code = "
import socket
with socket.create_connection(('127.9.8.7', 443), 5) as it:
    it.sendall(b'hello')
    result = it.recv(5).decode()";
    assert_eq!(result(&cell.run(code, &[])), r#""there""#);
    let destination = SocketAddr::from((Ipv4Addr::new(127, 9, 8, 7), 443));
    assert_eq!(server.join().unwrap(), (*b"hello", destination));
}

#[test]
fn there_is_no_other_way_out_of_a_restricted_network() {
    let canary = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = canary.local_addr().unwrap().port();
    let code = format!(
        "{ATTEMPTS}
result = [
    attempt(('127.0.0.1', {port})), attempt(('11.22.33.44', 443)), attempt(('127.0.0.1', 22)),
    attempt(('127.0.0.1', 53), kind=socket.SOCK_DGRAM), attempt(('::1', 443), socket.AF_INET6),
    attempt(('127.0.0.1', 443), kind=socket.SOCK_RAW, protocol=1), attempt(('127.0.0.1', 443), protocol=262),
]"
    );
    let ended = run(NetworkMode::Restricted, Network::Restricted { ports: PORTS.to_vec() }, &code);
    let refused = r#"["EACCES","ENETUNREACH","EACCES","EPERM","EAFNOSUPPORT","EPERM","EPERM"]"#;
    assert_eq!(result(&ended), refused);
    canary.set_nonblocking(true).unwrap();
    assert!(canary.accept().is_err(), "the canary was reached");
}

#[test]
fn nobody_listens_in_a_restricted_network_but_the_engine() {
    let code = "
import socket
def attempt(port):
    try:
        with socket.socket() as it:
            it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            it.bind(('127.0.0.1', port))
            return 'bound'
    except OSError as error:
        return type(error).__name__
result = [attempt(port) for port in (0, 3128, 8080)]";
    let ended = run(NetworkMode::Restricted, Network::Restricted { ports: PORTS.to_vec() }, code);
    assert_eq!(result(&ended), r#"["PermissionError","PermissionError","PermissionError"]"#);
}

#[test]
fn the_whole_network_is_the_daemons_and_nobody_takes_its_ports() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    // Abstract sockets are of a network namespace too; Landlock tells whose they are.
    let name = format!("codemode-test-{}", std::process::id());
    let _local = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap();
    let code = format!(
        "{ATTEMPTS}
def bind():
    try:
        socket.socket().bind(('127.0.0.1', 0))
    except OSError as error:
        return errno.errorcode[error.errno]
result = [attempt(('127.0.0.1', {port})), attempt(('127.0.0.1', {port}), kind=socket.SOCK_DGRAM), bind(),
    attempt(('127.0.0.1', 1), kind=socket.SOCK_RAW, protocol=1), attempt(chr(0) + '{name}', socket.AF_UNIX)]"
    );
    let ended = run(NetworkMode::All, Network::All, &code);
    assert_eq!(result(&ended), r#"["connected","connected","EACCES","EPERM","EPERM"]"#);
}

#[test]
fn a_request_may_have_less_of_a_network_than_the_plan() {
    let zygote = zygote(NetworkMode::All);
    let code = format!("{ATTEMPTS}\nimport os\nresult = [attempt(('127.0.0.1', 1)), os.environ.get('https_proxy')]");
    let none = zygote.spawn(ordinary(&[])).run(&code, &[]);
    assert_eq!(result(&none), r#"["EPERM",null]"#);
    let proxied = zygote.spawn(restricted()).run(&code, &[]);
    assert_eq!(result(&proxied), r#"["EACCES","http://127.0.0.1:3128"]"#);
}

#[test]
fn names_are_asked_of_the_engine_by_tcp() {
    let zygote = zygote(NetworkMode::Restricted);
    let mut cell = zygote.spawn(restricted());
    let resolver = listener(&mut cell, 53);
    resolver.set_nonblocking(false).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = resolver.accept().unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).unwrap();
        question
    });
    let code = "
import socket
try:
    socket.getaddrinfo('api.example', 443)
except OSError as error:
    result = type(error).__name__";
    assert_eq!(result(&cell.run(code, &[])), r#""gaierror""#);
    let question = server.join().unwrap();
    assert!(question.windows(12).any(|it| it == b"\x03api\x07example"), "{question:?}");
}
