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

use codemode_egress::{BoxFuture, Connect, Decision, Egress, Resolve, ResolveError};
use codemode_types::{ByteSize, NetworkPolicy, domain::DomainName};

const BYTES: u64 = 1 << 30;
const ROUNDS: usize = 5;
const TURNS: u32 = 20_000;
const OPENS: u32 = 500;
const BUFFER: usize = 256 << 10;
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
    let (proxy, task) = proxy(server)?;
    // Nanoseconds on a processor: what other programs do at the time changes them little.
    let spent = || -> io::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{task}/schedstat"))?;
        text.split(' ').next().and_then(|text| text.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
    };
    let cost = |run: &dyn Fn() -> io::Result<f64>| -> io::Result<f64> {
        let before = spent()?;
        run()?;
        Ok((spent()? - before) / BYTES as f64)
    };
    for _ in 0..ROUNDS {
        print("download, GB/s", download(straight(server)?)?, download(through(proxy)?)?);
        print("upload, GB/s", upload(straight(server)?)?, upload(through(proxy)?)?);
        let down = cost(&|| download(through(proxy)?))?;
        println!("proxy's processor time, s/GB: {down:.3} down, {:.3} up", cost(&|| upload(through(proxy)?))?);
        print("turn, us", turns(straight(server)?)?, turns(through(proxy)?)?);
        print("open, us", opens(|| straight(server))?, opens(|| through(proxy))?);
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
    let mut buffer = vec![0; BUFFER];
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

fn proxy(server: SocketAddr) -> io::Result<(SocketAddr, String)> {
    let (sender, task) = std::sync::mpsc::channel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    thread::spawn(move || -> io::Result<()> {
        sender.send(std::fs::read_link("/proc/thread-self")?).map_err(io::Error::other)?;
        let world = Arc::new(World(server));
        let policy = NetworkPolicy {
            allowed_domains: vec!["example.org".into()],
            max_bytes: ByteSize(u64::MAX),
            max_connections: 4096,
            idle_timeout: Duration::from_secs(60),
            ..NetworkPolicy::default()
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let (sender, mut decisions) = tokio::sync::mpsc::channel::<Decision>(64);
            tokio::spawn(async move {
                while let Some(decision) = decisions.recv().await {
                    if decision.verdict.is_err() {
                        eprintln!("{decision}");
                    }
                }
            });
            let session = Egress::with(world.clone(), world).session(&policy, sender).map_err(io::Error::other)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                session.proxy(listener.accept().await?.0);
            }
        })
    });
    let task = task.recv().map_err(io::Error::other)?;
    Ok((address, task.display().to_string()))
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

fn print(what: &str, straight: f64, through: f64) {
    println!("{what:16} {straight:8.2} {through:8.2} {:+7.1} %", 100.0 * (through / straight - 1.0));
}

fn download(mut stream: TcpStream) -> io::Result<f64> {
    let mut buffer = vec![0; BUFFER];
    let start = Instant::now();
    stream.write_all(b"d")?;
    let mut left = BYTES;
    while left > 0 {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= count as u64;
    }
    Ok(BYTES as f64 / 1e9 / start.elapsed().as_secs_f64())
}

fn upload(mut stream: TcpStream) -> io::Result<f64> {
    let mut buffer = vec![0; BUFFER];
    let start = Instant::now();
    stream.write_all(b"u")?;
    for _ in 0..BYTES / buffer.len() as u64 {
        stream.write_all(&buffer)?;
    }
    stream.read_exact(&mut buffer[..1])?;
    Ok(BYTES as f64 / 1e9 / start.elapsed().as_secs_f64())
}

/// One byte there and back.
fn turns(mut stream: TcpStream) -> io::Result<f64> {
    stream.write_all(b"t")?;
    let start = Instant::now();
    for _ in 0..TURNS {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
    }
    Ok(micros(start, TURNS))
}

/// Until the first byte has come back.
fn opens(open: impl Fn() -> io::Result<TcpStream>) -> io::Result<f64> {
    let start = Instant::now();
    for _ in 0..OPENS {
        let mut stream = open()?;
        stream.write_all(b"tx")?;
        stream.read_exact(&mut [0])?;
    }
    Ok(micros(start, OPENS))
}

fn micros(start: Instant, count: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e6 / f64::from(count)
}

/// A ClientHello for example.org, as short as it can be.
fn hello() -> Vec<u8> {
    let vector = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let extension = |kind: u16, data: &[u8]| [&kind.to_be_bytes(), &vector(data)[..]].concat();
    let name = [&[0][..], &vector(b"example.org")].concat();
    let extensions =
        [extension(0, &vector(&name)), extension(13, &vector(&[8, 4])), extension(43, &[2, 3, 4])].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &vector(&[0x13, 1]), &[1, 0], &vector(&extensions)].concat();
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[22, 3, 1][..], &vector(&message)].concat()
}
