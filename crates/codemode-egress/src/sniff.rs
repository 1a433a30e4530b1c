//! A connection whose host is known and whose protocol is not: TLS or HTTP, by its first bytes.

use bytes::BytesMut;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::{
    connection::{Connection, Target},
    decision::Refusal,
    dial::Dialed,
    gate::HEAD_TIMEOUT,
    hello::HANDSHAKE,
    http, secured,
};

/// Longer than any method that is in use.
const METHOD_BYTES: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tls,
    Http,
    Neither,
}

/// Serves the connection to its end. `held` was read from the client before; a `server` was connected to already.
pub(crate) async fn serve(
    connection: &Connection,
    mut client: TcpStream,
    mut held: BytesMut,
    target: Target,
    server: Option<Dialed>,
) {
    let reading = async {
        loop {
            if let Some(protocol) = protocol(&held) {
                return Some(protocol);
            }
            if !matches!(client.read_buf(&mut held).await, Ok(1..)) {
                return None;
            }
            connection.activity.touch();
        }
    };
    let refusal = match timeout(HEAD_TIMEOUT, reading).await {
        Ok(Some(Protocol::Tls)) => return secured::serve(connection, &target, client, held, server).await,
        Ok(Some(Protocol::Http)) => return http::serve(connection, client, held, Some((target, server))).await,
        Ok(Some(Protocol::Neither)) => Refusal::NotTls("what was sent is neither TLS nor HTTP"),
        Ok(None) => return,
        Err(_) => Refusal::Slow(HEAD_TIMEOUT),
    };
    connection.refuse(&target, refusal).await;
}

/// Nothing yet, as long as it could still be a method and its space.
fn protocol(bytes: &[u8]) -> Option<Protocol> {
    if *bytes.first()? == HANDSHAKE {
        return Some(Protocol::Tls);
    }
    let length = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    match bytes.get(length) {
        Some(b' ') if length > 0 => Some(Protocol::Http),
        None if length < METHOD_BYTES => None,
        _ => Some(Protocol::Neither),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        let table: [(&[u8], Option<Protocol>); 11] = [
            (b"", None),
            (b"\x16", Some(Protocol::Tls)),
            (b"\x16\x03\x01", Some(Protocol::Tls)),
            (b"G", None),
            (b"GET ", Some(Protocol::Http)),
            (b"M-SEARCH * HTTP/1.1", Some(Protocol::Http)),
            (b" GET /", Some(Protocol::Neither)),
            (b"get / HTTP/1.1", Some(Protocol::Neither)),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Some(Protocol::Neither)),
            (b"\x00\x00\x00\x08", Some(Protocol::Neither)),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", Some(Protocol::Neither)),
        ];
        for (bytes, expected) in table {
            assert_eq!(protocol(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
