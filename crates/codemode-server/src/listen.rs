//! Listeners: bound before anything else starts, handed to `start`, so that tests serve on port 0.

use std::{
    io,
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, fchmod},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, listen, socket_with},
};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener, lookup_host};

use crate::{auth::ApiKeys, config::ListenAddress, tls::Tls};

/// Connections that wait to be accepted. A client that finds no room tries again only after a second.
const BACKLOG: u32 = 1024;

#[derive(Debug, Error)]
pub enum ListenError {
    #[error("cannot resolve {address}: {source}")]
    Resolve { address: ListenAddress, source: io::Error },
    #[error(
        "{address} can be reached from other machines and no API key is set: set CODEMODE_API_KEY (or api_key in the configuration file), or listen on 127.0.0.1 or on a Unix socket"
    )]
    KeyRequired { address: ListenAddress },
    #[error(
        "{address} can be reached from other machines and tls.required is true: set tls.cert_file and tls.key_file, or listen on 127.0.0.1 or on a Unix socket"
    )]
    TlsRequired { address: ListenAddress },
    #[error("cannot listen on {address}: {source}")]
    Bind { address: ListenAddress, source: io::Error },
    #[error("cannot listen on {address}: another process serves it")]
    InUse { address: ListenAddress },
    #[error("cannot listen on {address}: the path exists and is not a socket")]
    NotASocket { address: ListenAddress },
}

#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener, Option<Tls>),
    Unix(UnixListener, SocketFile),
}

/// Unlinks the socket when the listener goes, unless another process has put its own there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    /// As bound: the real port where 0 was asked for.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener, _) => listener.local_addr().map_or_else(|_| "?".into(), |address| address.to_string()),
            Self::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }
}

/// How a TCP port keeps what crosses it from others. A Unix socket needs nothing of it.
#[derive(Clone, Debug, Default)]
pub enum Encryption {
    /// Not at all.
    #[default]
    Off,
    /// Not at all, and so only this machine may reach the port.
    Required,
    Tls(Tls),
}

/// Binds one address, without TLS. Without a key only this machine may reach it.
pub async fn bind(address: &ListenAddress, keys: &ApiKeys) -> Result<Listener, ListenError> {
    bind_with(address, keys, Encryption::Off).await
}

pub async fn bind_with(
    address: &ListenAddress,
    keys: &ApiKeys,
    encryption: Encryption,
) -> Result<Listener, ListenError> {
    match address {
        ListenAddress::Tcp { host, port } => bind_tcp(address, (host, *port), keys, encryption).await,
        ListenAddress::Unix(path) => bind_unix(address, path),
    }
}

async fn bind_tcp(
    address: &ListenAddress,
    place: (&str, u16),
    keys: &ApiKeys,
    encryption: Encryption,
) -> Result<Listener, ListenError> {
    let resolve = |source| ListenError::Resolve { address: address.clone(), source };
    let resolved: Vec<_> = lookup_host(place).await.map_err(resolve)?.collect();
    let open = resolved.iter().any(|resolved| !resolved.ip().is_loopback());
    if open && keys.is_empty() {
        return Err(ListenError::KeyRequired { address: address.clone() });
    }
    let tls = match encryption {
        Encryption::Tls(tls) => Some(tls),
        Encryption::Required if open => return Err(ListenError::TlsRequired { address: address.clone() }),
        Encryption::Off | Encryption::Required => None,
    };
    // The addresses that were checked, not the name once more.
    match open_tcp(&resolved) {
        Ok(listener) => Ok(Listener::Tcp(listener, tls)),
        Err(source) => Err(ListenError::Bind { address: address.clone(), source }),
    }
}

/// The first that can be had.
fn open_tcp(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let opened = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        // As `TcpListener::bind`, which lets fewer callers wait.
        let listening = opened.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(*address)?;
            socket.listen(BACKLOG)
        });
        match listening {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn bind_unix(address: &ListenAddress, path: &Path) -> Result<Listener, ListenError> {
    make_room(address, path)?;
    let bound = open_unix(path).and_then(|listener| {
        let metadata = path.symlink_metadata()?;
        let file = SocketFile { path: path.into(), identity: (metadata.dev(), metadata.ino()) };
        Ok(Listener::Unix(UnixListener::from_std(listener)?, file))
    });
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address: address.clone() },
        _ => ListenError::Bind { address: address.clone(), source },
    })
}

/// Removes a socket that nobody serves any more: left by a daemon that was killed.
fn make_room(address: &ListenAddress, path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket { address: address.clone() });
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|source| ListenError::Bind { address: address.clone(), source })
        }
        Err(source) => Err(ListenError::Bind { address: address.clone(), source }),
        Ok(_) => Err(ListenError::InUse { address: address.clone() }),
    }
}

/// The mode is set before the socket has a name, so that nobody else can connect in between.
fn open_unix(path: &Path) -> io::Result<StdUnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG.cast_signed())?;
    Ok(StdUnixListener::from(socket))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = self.path.symlink_metadata().is_ok_and(|it| (it.dev(), it.ino()) == self.identity);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
