//! SOCKS5 (RFC 1928): CONNECT, without authentication.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr},
};

use bytes::{Buf, BytesMut};
use codemode_types::domain::Host;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    answer,
    connection::{About, Connection, Target},
    decision::{Refusal, Via},
    gate::HEAD_TIMEOUT,
    sniff,
};

pub(crate) const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const NONE_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
const SUCCEEDED: u8 = 0;
const ADDRESS_TYPE: Refusal = Refusal::BadRequest("the SOCKS request has an unknown address type");
/// The longest request: four bytes, a name of 255 after its length, a port.
const REQUEST_BYTES: usize = 4 + 1 + 255 + 2;

/// A connection that was not admitted is told so in the reply to its request.
pub(crate) async fn serve(connection: &Connection, mut stream: TcpStream, admitted: Result<(), Refusal>) {
    let mut held = BytesMut::with_capacity(2 * REQUEST_BYTES);
    let handshake = timeout(HEAD_TIMEOUT, handshake(&mut stream, &mut held)).await;
    let destination = match handshake.unwrap_or(Err(Refusal::Slow(HEAD_TIMEOUT))) {
        Ok(Some(destination)) => destination,
        // Gone, or told that it has to authenticate less.
        Ok(None) => return answer::linger(stream).await,
        Err(refusal) => Err((String::new(), 0, refusal)),
    };
    let opened = match (destination, admitted) {
        (Ok((host, port)), Ok(())) => {
            let target = Target { host, port, via: Via::Socks5 };
            connection.open(&target).await.map(|server| (target, server))
        }
        (Ok((host, port)), Err(refusal)) => {
            Err(connection.refuse(About::text(&host.to_string(), port, Via::Socks5), refusal).await)
        }
        (Err((host, port, refusal)), _) => Err(connection.refuse(About::text(&host, port, Via::Socks5), refusal).await),
    };
    let code = opened.as_ref().map_or_else(reply, |_| SUCCEEDED);
    // The address it is bound to is nobody's business.
    let sent = stream.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    match (sent, opened) {
        (Ok(()), Ok((target, server))) => sniff::serve(connection, stream, held, target, Some(server)).await,
        (Ok(()), Err(_)) => answer::linger(stream).await,
        (Err(_), _) => {}
    }
}

/// Leaves in `held` what came after the request. Nothing: there is no request.
async fn handshake(stream: &mut TcpStream, held: &mut BytesMut) -> Result<Option<Destination>, Refusal> {
    let Some(is_acceptable) = read(stream, held, greeting).await? else { return Ok(None) };
    let method = if is_acceptable { NO_AUTHENTICATION } else { NONE_ACCEPTABLE };
    if stream.write_all(&[VERSION, method]).await.is_err() {
        return Ok(None);
    }
    if !is_acceptable {
        return Err(Refusal::BadRequest("the SOCKS client insists on authentication, and the proxy has none"));
    }
    read(stream, held, request).await
}

/// Reads until `parse` has what it wants. Nothing if the peer went away.
async fn read<T>(
    stream: &mut TcpStream,
    held: &mut BytesMut,
    parse: impl Fn(&[u8]) -> Result<Read<T>, Refusal>,
) -> Result<Option<T>, Refusal> {
    loop {
        if let Read::Whole(value, length) = parse(held)? {
            held.advance(length);
            return Ok(Some(value));
        }
        // Both messages have a longest form, so this ends.
        if !matches!(stream.read_buf(held).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

/// What was read, as far as it could be.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// More bytes are needed.
    Partial,
    /// The value and how many bytes it took.
    Whole(T, usize),
}

/// A request's destination, or why it is none, with what it said.
pub type Destination = Result<(Host, u16), (String, u16, Refusal)>;

/// Whether a client can do without authentication.
pub fn greeting(bytes: &[u8]) -> Result<Read<bool>, Refusal> {
    match bytes {
        [] | [VERSION] => Ok(Read::Partial),
        [VERSION, count, rest @ ..] => match rest.get(..usize::from(*count)) {
            Some(methods) => Ok(Read::Whole(methods.contains(&NO_AUTHENTICATION), 2 + methods.len())),
            None => Ok(Read::Partial),
        },
        _ => Err(Refusal::BadRequest("the SOCKS version is not 5")),
    }
}

pub fn request(bytes: &[u8]) -> Result<Read<Destination>, Refusal> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return Ok(Read::Partial) };
    let [VERSION, command, 0, kind] = *head else {
        return Err(Refusal::BadRequest("the SOCKS request is malformed"));
    };
    let length = match (kind, rest.first()) {
        (1, _) => 4,
        (3, Some(length)) => 1 + usize::from(*length),
        (3, None) => return Ok(Read::Partial),
        (4, _) => 16,
        _ => return Err(ADDRESS_TYPE),
    };
    let Some((address, port)) = rest.split_at_checked(length) else { return Ok(Read::Partial) };
    let Some(port) = port.first_chunk::<2>() else { return Ok(Read::Partial) };
    let (port, text) = (u16::from_be_bytes(*port), host_text(kind, address));
    let destination = match command {
        CONNECT => match text.as_deref().map(Host::parse) {
            Some(Ok(host)) => Ok((host, port)),
            Some(Err(error)) => Err(Refusal::BadHost(error)),
            None => Err(Refusal::BadRequest("the SOCKS request has a name that is not ASCII")),
        },
        _ => Err(Refusal::Method("SOCKS BIND or UDP ASSOCIATE")),
    };
    let destination = destination.map_err(|refusal| (text.unwrap_or_default(), port, refusal));
    Ok(Read::Whole(destination, 4 + length + 2))
}

fn host_text(kind: u8, address: &[u8]) -> Option<String> {
    if let (1, Ok(address)) = (kind, <[u8; 4]>::try_from(address)) {
        return Some(Ipv4Addr::from(address).to_string());
    }
    if let (4, Ok(address)) = (kind, <[u8; 16]>::try_from(address)) {
        return Some(Ipv6Addr::from(address).to_string());
    }
    let name = address.get(1..).filter(|name| name.is_ascii())?;
    String::from_utf8(name.to_vec()).ok()
}

/// The reply's second byte (RFC 1928, section 6).
fn reply(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Method(_) => 7,
        _ if *refusal == ADDRESS_TYPE => 8,
        Refusal::BadRequest(_) | Refusal::TooManyConnections(_) | Refusal::TooManyBytes(_) => 1,
        Refusal::NoSuchName | Refusal::NoAnswer => 4,
        Refusal::Unreachable(ErrorKind::ConnectionRefused) => 5,
        Refusal::Unreachable(_) => 4,
        _ => 2,
    }
}
