//! Strangers who ask for much at once. What one connection can make the daemon hold is bounded, and who has a key gets in.

use std::time::Duration;

use codemode_server::{ApiKeys, Reception};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    certificates::{Authority, Files, ask},
    support::{KEY, Served, block_on, serve, serve_encrypted_with, serve_with},
};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HPACK, without the table: `POST path`.
fn post(path: &str) -> Vec<u8> {
    let literal = |index: u8, value: &str| [&[index, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [vec![0x83, 0x86], literal(0x04, path), literal(0x01, "localhost")].concat()
}

/// A field with a value of `length` bytes that is in the table afterwards.
fn field(name: &str, length: usize) -> Vec<u8> {
    assert!(length >= 127);
    let mut bytes = vec![0x40, u8::try_from(name.len()).unwrap()];
    bytes.extend(name.as_bytes());
    bytes.push(0x7f);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes.extend(std::iter::repeat_n(b'x', length));
    bytes
}

/// Frames that come, each as its kind, its stream and its payload, until the end.
struct Http2(TcpStream);

impl Http2 {
    async fn dial(served: &Served) -> Self {
        let mut stream = TcpStream::connect(&served.address).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        Self(stream)
    }

    /// Whether the other side still listens.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// The error code of the farewell.
    async fn sent_away(&mut self) -> u32 {
        loop {
            let (kind, _, payload) = self.next().await.expect("a GOAWAY before the end");
            if kind == GOAWAY {
                return u32::from_be_bytes(payload[4..8].try_into().unwrap());
            }
        }
    }
}

#[test]
fn handshakes_that_stall_keep_nobody_out() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let reception = Reception { patience: FOREVER, strangers: 8, known: 4 };
        let served = serve_encrypted_with(&ApiKeys::new(&[KEY]), &files.load(None), reception).await;
        let mut stalled = Vec::new();
        for words in
            [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x40\x00\x01\x00"].iter().cycle().take(400)
        {
            let mut stream = TcpStream::connect(&served.address).await.unwrap();
            // It may have been cut for another one already.
            let _ = stream.write_all(words).await;
            stalled.push(stream);
        }
        let mut stream = authority.dial(&served.address, None).await.unwrap();
        assert!(ask(&mut stream, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));
        // The first of them went for the others.
        let mut rest = Vec::new();
        let _ = stalled[0].read_to_end(&mut rest).await;
    });
}

#[test]
fn a_handshake_that_takes_too_long_ends() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let reception = Reception { patience: Duration::from_secs(1), ..Reception::default() };
        let served = serve_encrypted_with(&ApiKeys::new(&[KEY]), &files.load(None), reception).await;
        for words in [&b""[..], b"\x16", b"\x16\x03\x01\x40\x00\x01\x00", b"P", b"PRI"] {
            let mut stream = TcpStream::connect(&served.address).await.unwrap();
            stream.write_all(words).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    });
}

#[test]
fn one_address_does_not_push_out_anothers_callers() {
    block_on(async {
        let reception = Reception { patience: FOREVER, strangers: 8, known: 4 };
        let served = serve_with("127.0.0.1:0", &[KEY], json!({}), reception).await;
        let elsewhere = TcpSocket::new_v4().unwrap();
        elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut elsewhere = elsewhere.connect(served.address.parse().unwrap()).await.unwrap();
        // It is the first of all, and has not said a word.
        let mut flood = Vec::new();
        for _ in 0..100 {
            flood.push(TcpStream::connect(&served.address).await.unwrap());
        }
        let mut rest = Vec::new();
        let _ = flood[0].read_to_end(&mut rest).await;
        elsewhere.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        elsewhere.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn a_rapid_reset_is_sent_away() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut client = Http2::dial(&served).await;
        for stream in (1..20_000).step_by(2) {
            let opened = frame(HEADERS, END_HEADERS, stream, &post("/codemode.v1.Executor/Connect"));
            if !client.send(&[opened, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()).await {
                break;
            }
        }
        const ENHANCE_YOUR_CALM: u32 = 0xb;
        assert_eq!(client.sent_away().await, ENHANCE_YOUR_CALM);
        assert_eq!(served.get("/healthz").await.status, 200);
    });
}

#[test]
fn header_fields_without_end_are_refused() {
    block_on(async {
        let served = serve(json!({})).await;
        // Bytes that are sent, and bytes that stand for more of them: each index is 3000 of them again.
        let mut client = Http2::dial(&served).await;
        let bomb = [post("/healthz"), field("x", 3000), vec![0x80 | 62; 2000]].concat();
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
        let refused = loop {
            match client.next().await {
                Some((HEADERS, 1, block)) => {
                    break block.contains(&0x8d) || String::from_utf8_lossy(&block).contains("431");
                }
                Some((RST_STREAM | GOAWAY, ..)) | None => break true,
                Some(_) => {}
            }
        };
        assert!(refused);
        // Continued for ever.
        let mut client = Http2::dial(&served).await;
        let mut open = client.send(&frame(HEADERS, 0, 1, &post("/healthz"))).await;
        let mut sent = 0;
        while open {
            open = client.send(&frame(CONTINUATION, 0, 1, &field("y", 8000))).await;
            sent += 8000;
            assert!(sent < 64 << 20, "header fields of 64 MiB were taken");
        }
        assert_eq!(served.get("/healthz").await.status, 200);
        let endless = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
        let mut stream = TcpStream::connect(&served.address).await.unwrap();
        let _ = stream.write_all(endless.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    });
}

#[test]
fn who_has_no_key_asks_for_little_at_once() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut client = Http2::dial(&served).await;
        // Each waits for a message that does not come, and holds its header fields meanwhile.
        const OPEN: u32 = 8;
        for index in 0..=OPEN {
            let head = [
                post("/grpc.health.v1.Health/Check"),
                vec![0x00, 12],
                b"content-type".to_vec(),
                vec![16],
                b"application/grpc".to_vec(),
            ];
            assert!(client.send(&frame(HEADERS, END_HEADERS, 2 * index + 1, &head.concat())).await);
        }
        let refused = loop {
            if let (HEADERS, stream, _) = client.next().await.unwrap() {
                break stream;
            }
        };
        assert_eq!(refused, 2 * OPEN + 1);
    });
}
