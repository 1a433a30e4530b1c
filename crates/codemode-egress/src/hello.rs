//! The first message of a TLS connection, which names the server it is for. Nothing is decrypted.
//!
//! Two readers have to agree: rustls, which knows TLS, and a small strict one, because rustls passes over some of what
//! the server name extension may hold, and another server might not.
//!
//! What this cannot see: with Encrypted Client Hello, the inner name; and whatever is said inside of TLS, such as the Host
//! of a request, or a second ClientHello after a retry. A server that serves several names behind one address decides by
//! itself what it makes of those.

mod server_name;

use std::{fmt, io::Read};

use bytes::BytesMut;
use codemode_types::domain::{DomainName, Host};
use rustls::server::{Accepted, Acceptor};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::{decision::Refusal, gate::HEAD_TIMEOUT};

/// The first byte of a TLS connection: the record type of a handshake.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// For the message and its record headers. Those of browsers with post-quantum keys have two to four KiB.
pub const HELLO_BYTES: usize = 32 << 10;

/// Reads a ClientHello from bytes as they come.
#[derive(Default)]
pub struct HelloReader {
    acceptor: Acceptor,
    bytes: BytesMut,
}

impl HelloReader {
    /// Whether the message is whole, and then the server name it has, as it is written there.
    pub fn feed(&mut self, mut more: &[u8]) -> Result<Option<Option<String>>, Refusal> {
        self.bytes.extend_from_slice(more);
        if self.bytes.first().is_some_and(|first| *first != HANDSHAKE) {
            return Err(PLAINTEXT);
        }
        while !more.is_empty() {
            self.acceptor.read_tls(&mut more as &mut dyn Read).map_err(|_| MALFORMED)?;
            if let Some(accepted) = self.acceptor.accept().map_err(|_| MALFORMED)? {
                return self.name(&accepted).map(Some);
            }
        }
        match self.bytes.len() < HELLO_BYTES {
            true => Ok(None),
            false => Err(Refusal::NotTls("the TLS ClientHello is longer than 32 KiB")),
        }
    }

    fn name(&self, accepted: &Accepted) -> Result<Option<String>, Refusal> {
        let ours = server_name::read(&self.bytes).ok_or(MALFORMED)?;
        let theirs = accepted.client_hello();
        // An address is no server name to rustls, and is never equal to a name.
        let is_same = match (&ours, theirs.server_name()) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (Some(ours), None) => Host::parse(ours).is_ok_and(|host| host.address().is_some()),
            (None, theirs) => theirs.is_none(),
        };
        if is_same { Ok(ours) } else { Err(MALFORMED) }
    }
}

impl fmt::Debug for HelloReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HelloReader({} bytes)", self.bytes.len())
    }
}

/// Reads until the ClientHello is whole. The bytes, which the server gets later, and the server name. Nothing if the peer
/// went away.
pub(crate) async fn read(
    stream: &mut TcpStream,
    held: BytesMut,
) -> Result<Option<(BytesMut, Option<String>)>, Refusal> {
    let reading = async {
        let mut reader = HelloReader::default();
        let mut name = reader.feed(&held)?;
        let mut bytes = vec![0; 4 << 10];
        while name.is_none() {
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => name = reader.feed(&bytes[..count])?,
            }
        }
        Ok(name.map(|name| (reader.bytes, name)))
    };
    timeout(HEAD_TIMEOUT, reading).await.unwrap_or(Err(Refusal::Slow(HEAD_TIMEOUT)))
}

/// Whether a handshake with this server name may go to the host.
pub(crate) fn compare(host: &Host, name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name else {
        return if host.name().is_some() { Err(Refusal::SniMissing) } else { Ok(()) };
    };
    match DomainName::parse(name) {
        Ok(name) if host.name() == Some(&name) => Ok(()),
        Ok(name) => Err(Refusal::SniMismatch { sni: name.to_string() }),
        Err(_) => Err(Refusal::SniMismatch { sni: name.chars().take(80).flat_map(char::escape_default).collect() }),
    }
}

pub(crate) const PLAINTEXT: Refusal =
    Refusal::NotTls("what was sent is not TLS, and only TLS goes through a tunnel; use an http:// URL for plain HTTP");
const MALFORMED: Refusal = Refusal::NotTls("the TLS ClientHello is malformed or ambiguous");
