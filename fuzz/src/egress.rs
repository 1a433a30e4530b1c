//! What a program in the sandbox says first to the egress proxy: heads of HTTP requests, SOCKS5, a TLS ClientHello.

use std::ops::ControlFlow;

use codemode_egress::{
    Refusal,
    head::{self, Framing, HEAD_BYTES},
    hello::HelloReader,
    socks::{self, Read},
};
use codemode_types::domain::Host;

/// A head that passes is the same head to another parser, and a SOCKS message is the same however it arrives.
pub fn heads(input: &[u8]) {
    head_of_a_request(input);
    if let Ok(text) = std::str::from_utf8(input) {
        authority(text);
    }
    in_pieces(input, socks::greeting);
    if let Some((destination, _)) = in_pieces(input, socks::request) {
        match destination {
            Ok((host, _)) => normal(&host),
            Err((shown, ..)) => assert!(shown.len() <= 255),
        }
    }
}

fn head_of_a_request(input: &[u8]) {
    let end = head::end(input, 0);
    for seen in 0..input.len().min(64) {
        let later = head::end(&input[..seen], 0).or_else(|| head::end(input, seen));
        assert_eq!(later, end, "searched in two steps");
    }
    let Some(end) = end.filter(|end| *end <= HEAD_BYTES) else { return };
    let Ok(framing) = head::check(&input[..end]) else { return };
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    assert_eq!(request.parse(input), Ok(httparse::Status::Complete(end)), "another parser disagrees");
    let named = |name: &str| {
        let values = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        values.map(|header| header.value).collect::<Vec<_>>()
    };
    let (length, encoding) = (named("content-length"), named("transfer-encoding"));
    assert!(named("host").len() <= 1);
    match framing {
        Framing::Chunked => {
            assert!(length.is_empty() && encoding.len() == 1 && encoding[0].eq_ignore_ascii_case(b"chunked"));
            assert_eq!(request.version, Some(1));
        }
        Framing::Sized(expected) => {
            assert!(encoding.is_empty() && length.len() <= 1);
            let said = length.first().map_or(Ok(0), |value| std::str::from_utf8(value).unwrap_or_default().parse());
            assert_eq!(said, Ok(expected));
        }
        Framing::Tunnel => {
            assert!(length.is_empty() && encoding.is_empty() && request.method == Some("CONNECT"));
        }
    }
}

fn authority(text: &str) {
    let Ok((host, port)) = head::authority(text) else { return };
    normal(&host);
    assert!(!text.contains('@'));
    let written = match &host {
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        host => host.to_string(),
    };
    let again = port.map_or(written.clone(), |port| format!("{written}:{port}"));
    assert_eq!(head::authority(&again).ok(), Some((host, port)), "the normal form is not normal");
}

fn normal(host: &Host) {
    let text = host.to_string();
    assert_eq!(Host::parse(&text).ok().as_ref(), Some(host));
    assert!(text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':')), "{text:?}");
}

/// Nothing before the message is whole, and the same from then on.
fn in_pieces<T: PartialEq + std::fmt::Debug>(
    input: &[u8],
    parse: impl Fn(&[u8]) -> Result<Read<T>, Refusal>,
) -> Option<(T, usize)> {
    let Ok(Read::Whole(value, length)) = parse(input) else { return None };
    assert!(length <= input.len());
    for part in 0..length {
        assert_eq!(parse(&input[..part]), Ok(Read::Partial));
    }
    let whole = Ok(Read::Whole(value, length));
    assert_eq!(parse(&input[..length]), whole);
    match whole {
        Ok(Read::Whole(value, length)) => Some((value, length)),
        _ => None,
    }
}

/// However the bytes arrive, they never name two servers, and the name is one that is in them.
pub fn client_hello(input: &[u8]) {
    let whole = name(input, usize::MAX);
    for size in [1, 5, 64] {
        let parts = name(input, size);
        if let (Some(whole), Some(parts)) = (&whole, &parts) {
            assert_eq!(whole, parts, "in pieces of {size}");
        }
    }
    if let Some(Some(name)) = whole {
        assert!(name.is_ascii() && !name.is_empty());
        let mut letters = input.iter();
        // Records may break it up, but its letters are there, in order.
        assert!(name.bytes().all(|letter| letters.any(|byte| *byte == letter)), "{name:?} is not in the input");
    }
}

/// The server name that was read from pieces of this size, if they are a ClientHello.
fn name(input: &[u8], size: usize) -> Option<Option<String>> {
    let mut reader = HelloReader::default();
    let read = input.chunks(size).try_for_each(|piece| match reader.feed(piece) {
        Ok(None) => ControlFlow::Continue(()),
        Ok(Some(name)) => ControlFlow::Break(Some(name)),
        Err(_) => ControlFlow::Break(None),
    });
    match read {
        ControlFlow::Break(name) => name,
        ControlFlow::Continue(()) => None,
    }
}
