//! What a tunnel costs on loopback: the same bytes straight and through the proxy, in turns.
//!
//! `cargo run --release -p codemode-egress --example tunnel`

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use codemode_egress::{BoxFuture, Connect, Egress, Resolve, ResolveError};
use codemode_types::{ByteSize, NetworkPolicy, domain::DomainName};

const BYTES: u64 = 2 << 30;
const ROUNDS: usize = 5;
const TURNS: u32 = 20_000;
const PUBLIC: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);

/// Everything leads to one server.
#[derive(Debug, Clone, Copy)]
struct World(SocketAddr);

impl Resolve for World {
    fn resolve(&self, _: &DomainName) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>> {
        Box::pin(async { Ok(vec![PUBLIC.into()]) })
    }
}

impl Connect for World {
    fn connect(&self, _: SocketAddr) -> BoxFuture<io::Result<tokio::net::TcpStream>> {
        Box::pin(tokio::net::TcpStream::connect(self.0))
    }

    fn peer(&self, _: &tokio::net::TcpStream) -> io::Result<SocketAddr> {
        Ok((PUBLIC, 443).into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = serve()?;
    let proxy = proxy(server)?;
    for _ in 0..ROUNDS {
        let straight = gigabytes(&mut straight(server)?)?;
        let through = gigabytes(&mut through(proxy)?)?;
        let up_straight = upload(&mut self::straight(server)?)?;
        let up_through = upload(&mut self::through(proxy)?)?;
        let (turn, turn_through) = (turns(&mut self::straight(server)?)?, turns(&mut self::through(proxy)?)?);
        let start = Instant::now();
        for _ in 0..200 {
            self::straight(server)?;
        }
        let open = start.elapsed() / 200;
        let start = Instant::now();
        for _ in 0..200 {
            self::through(proxy)?;
        }
        let open_through = start.elapsed() / 200;
        println!(
            "down {straight:.2} -> {through:.2} GB/s ({:+.1} %)  up {up_straight:.2} -> {up_through:.2} GB/s ({:+.1} %)  \
             turn {turn:?} -> {turn_through:?}  open {open:?} -> {open_through:?}",
            100.0 * (through / straight - 1.0),
            100.0 * (up_through / up_straight - 1.0),
        );
    }
    Ok(())
}

/// After a ClientHello, one byte chooses: `d` sends, `u` receives, `t` echoes single bytes.
fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut hello = vec![0; hello().len()];
    stream.read_exact(&mut hello)?;
    let mut buffer = vec![0; 256 << 10];
    stream.read_exact(&mut buffer[..1])?;
    match buffer[0] {
        b'd' => {
            for _ in 0..BYTES / buffer.len() as u64 {
                stream.write_all(&buffer)?;
            }
        }
        b'u' => {
            let mut left = BYTES;
            while left > 0 {
                left -= stream.read(&mut buffer)? as u64;
            }
            stream.write_all(b"!")?;
        }
        _ => {
            while stream.read_exact(&mut buffer[..1]).is_ok() {
                stream.write_all(&buffer[..1])?;
            }
        }
    }
    Ok(())
}

fn proxy(server: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    thread::spawn(move || -> io::Result<()> {
        let world = Arc::new(World(server));
        let policy = NetworkPolicy {
            allowed_domains: vec!["example.org".into()],
            max_bytes: ByteSize(u64::MAX),
            max_connections: 4096,
            idle_timeout: Duration::from_secs(60),
            ..NetworkPolicy::default()
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let (sender, mut decisions) = tokio::sync::mpsc::channel(64);
            tokio::spawn(async move { while decisions.recv().await.is_some() {} });
            let session = Egress::with(world.clone(), world).session(&policy, sender).map_err(io::Error::other)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                session.proxy(listener.accept().await?.0);
            }
        })
    });
    Ok(address)
}

fn straight(server: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.write_all(&hello())?;
    Ok(stream)
}

fn through(proxy: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_nodelay(true)?;
    stream.write_all(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n")?;
    let mut answer = [0; b"HTTP/1.1 200 OK\r\n\r\n".len()];
    stream.read_exact(&mut answer)?;
    stream.write_all(&hello())?;
    Ok(stream)
}

fn gigabytes(stream: &mut TcpStream) -> io::Result<f64> {
    let mut buffer = vec![0; 256 << 10];
    let start = Instant::now();
    stream.write_all(b"d")?;
    let mut left = BYTES;
    while left > 0 {
        left -= stream.read(&mut buffer)? as u64;
    }
    Ok(BYTES as f64 / 1e9 / start.elapsed().as_secs_f64())
}

fn upload(stream: &mut TcpStream) -> io::Result<f64> {
    let mut buffer = vec![0; 256 << 10];
    let start = Instant::now();
    stream.write_all(b"u")?;
    for _ in 0..BYTES / buffer.len() as u64 {
        stream.write_all(&buffer)?;
    }
    stream.read_exact(&mut buffer[..1])?;
    Ok(BYTES as f64 / 1e9 / start.elapsed().as_secs_f64())
}

/// One byte there and back.
fn turns(stream: &mut TcpStream) -> io::Result<Duration> {
    stream.write_all(b"t")?;
    let start = Instant::now();
    for _ in 0..TURNS {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
    }
    Ok(start.elapsed() / TURNS)
}

/// A ClientHello for example.org, as short as it can be.
fn hello() -> Vec<u8> {
    let vector = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes(), &vector(data)[..]].concat();
    let name = [&[0][..], &vector(b"example.org")].concat();
    let extensions = [extension(0, &vector(&name)), extension(13, &vector(&[8, 4])), extension(43, &[2, 3, 4])].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &vector(&[0x13, 1]), &[1, 0], &vector(&extensions)].concat();
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[22, 3, 1][..], &vector(&message)].concat()
}
