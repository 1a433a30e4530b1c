//! Where the servers of tests really are. Serves the crate's own tests and those through its public face.

use std::{io, net::SocketAddr};

use tokio::net::TcpStream;

/// A connection to the server that stands for an address, if there is one.
pub(crate) async fn connect(server: Option<SocketAddr>) -> io::Result<TcpStream> {
    // Not tokio's: with a paused clock a connection that takes any time would time out.
    let stream = std::net::TcpStream::connect(server.ok_or(io::ErrorKind::ConnectionRefused)?)?;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
