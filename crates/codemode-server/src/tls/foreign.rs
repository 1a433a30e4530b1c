//! What a caller gets that speaks another protocol than the port: one clear error, at once.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The first byte of every TLS connection: a handshake record.
pub(super) const HANDSHAKE: u8 = 0x16;

/// How long, and how much of what a caller has sent already is read away, so that our answer is not lost to a reset.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST_BYTES: u64 = 64 << 10;

const TEXT: &str = "this port speaks TLS; use https://";

/// Fatal, protocol_version (RFC 8446, section 6): a TLS port of ours says it to nobody who knows TLS 1.2 or newer.
const NO_TLS_HERE: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 70];

/// To a TLS client, on a port without TLS.
pub(super) async fn answer_tls(stream: TcpStream) {
    part(stream, &NO_TLS_HERE).await;
}

/// To a client without TLS, on a port with it.
pub(super) async fn answer_plaintext(mut stream: TcpStream) {
    let mut start = [0; 3];
    let answer = match stream.read_exact(&mut start).await {
        // As the preface of HTTP/2 begins, and no method of HTTP/1.
        Ok(_) if start == *b"PRI" => go_away(),
        Ok(_) if start.iter().all(u8::is_ascii_uppercase) => bad_request(),
        _ => Vec::new(),
    };
    part(stream, &answer).await;
}

/// The last words to a caller. It gets them whole also where it still sends, for which it has little time.
pub(super) async fn part(mut stream: TcpStream, words: &[u8]) {
    let farewell = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(MOST_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it listened does not matter.
    let _ = timeout(PATIENCE, farewell).await;
}

fn bad_request() -> Vec<u8> {
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{TEXT}\n", TEXT.len() + 1).into_bytes()
}

/// SETTINGS, which must be the first frame, and GOAWAY with INADEQUATE_SECURITY (RFC 9113, sections 6.8 and 7).
fn go_away() -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const TYPE_AND_FLAGS_AND_STREAM: [u8; 6] = [7, 0, 0, 0, 0, 0];
    const LAST_STREAM: [u8; 4] = [0; 4];
    const INADEQUATE_SECURITY: [u8; 4] = [0, 0, 0, 0xc];
    let length = [0, 0, u8::try_from(8 + TEXT.len()).unwrap_or(u8::MAX)];
    let frame: [&[u8]; 5] = [&length, &TYPE_AND_FLAGS_AND_STREAM, &LAST_STREAM, &INADEQUATE_SECURITY, TEXT.as_bytes()];
    [&SETTINGS[..], &frame.concat()].concat()
}
