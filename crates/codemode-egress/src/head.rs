//! The head of an HTTP request, byte by byte, before hyper reads it.
//!
//! hyper and others settle what is ambiguous; two that settle it in different ways are how requests are smuggled. So what
//! could be read in two ways is refused here.

use codemode_types::domain::Host;
use hyper::Uri;

use crate::decision::Refusal;

/// Request line and headers together.
pub const HEAD_BYTES: usize = 64 << 10;
pub(crate) const HEADERS: usize = 100;

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes, then the next head.
    Sized(u64),
    /// Chunks; no next head is read after them.
    Chunked,
    /// A tunnel, if it is granted.
    Tunnel,
}

/// Where the head at the start of `bytes` ends, if it does; the first `seen` bytes were searched before.
///
/// A bare line feed ends a line here, because it does for some. `check` refuses it then.
pub fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    (seen..bytes.len())
        .find(|at| bytes[*at] == b'\n' && matches!(&bytes[..*at], [] | [.., b'\n'] | [b'\r'] | [.., b'\n', b'\r']))
        .map(|at| at + 1)
}

/// Reads one head, blank line included.
pub fn check(head: &[u8]) -> Result<Framing, Refusal> {
    let bad = |what| Err(Refusal::BadRequest(what));
    let Some(head) = head.strip_suffix(b"\r\n\r\n") else { return bad("the lines of the request do not end in CR LF") };
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    if lines.iter().any(|line| line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')) {
        return bad("the request has a control character in its head");
    }
    let (is_connect, is_1_0) = request_line(lines[0])?;
    headers(&lines[1..], is_connect, is_1_0)
}

/// Whether the method is CONNECT, and the version 1.0.
fn request_line(line: &[u8]) -> Result<(bool, bool), Refusal> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NO_REQUEST_LINE);
    };
    let is_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(NO_REQUEST_LINE),
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(NO_REQUEST_LINE);
    }
    let is_plain = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    match is_plain && Uri::try_from(target).is_ok() {
        true => Ok((method == b"CONNECT", is_1_0)),
        false => Err(Refusal::BadRequest("the URL is none, has a fragment, or is longer than 64 KiB")),
    }
}

const NO_REQUEST_LINE: Refusal = Refusal::NotHttp("the first line is no HTTP/1.1 request line");

fn headers(lines: &[&[u8]], is_connect: bool, is_1_0: bool) -> Result<Framing, Refusal> {
    let (mut length, mut is_chunked, mut has_host) = (None, false, false);
    if lines.len() > HEADERS {
        return Err(Refusal::BadRequest("the request has more than 100 headers"));
    }
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(Refusal::BadRequest("the request has a header line without a colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Folded lines and space before the colon are among the rest.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Refusal::BadRequest("the request has a header whose name is none"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let parsed = digits.and_then(|text| text.parse::<u64>().ok()).filter(|length| *length <= LONGEST);
            let Some(parsed) = parsed else {
                return Err(Refusal::AmbiguousFraming("the Content-Length header is no number"));
            };
            if length.replace(parsed).is_some() {
                return Err(Refusal::AmbiguousFraming("the request has several Content-Length headers"));
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if is_chunked || is_1_0 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::AmbiguousFraming(
                    "the request has a Transfer-Encoding that is not exactly `chunked` in HTTP/1.1",
                ));
            }
            is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") && std::mem::replace(&mut has_host, true) {
            return Err(Refusal::BadRequest("the request has several Host headers"));
        }
    }
    match (length, is_chunked) {
        (Some(_), true) => {
            Err(Refusal::AmbiguousFraming("the request has a Content-Length and a Transfer-Encoding header"))
        }
        (None, false) if is_connect => Ok(Framing::Tunnel),
        _ if is_connect => Err(Refusal::AmbiguousFraming("a CONNECT request has no body")),
        (length, false) => Ok(Framing::Sized(length.unwrap_or(0))),
        (None, true) => Ok(Framing::Chunked),
    }
}

/// hyper keeps two values of a 64-bit length for itself.
const LONGEST: u64 = u64::MAX - 2;

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `host` or `host:port`, as in a URL, a Host header or after CONNECT.
pub fn authority(text: &str) -> Result<(Host, Option<u16>), Refusal> {
    // The colons of an IPv6 address are inside its brackets.
    let port_at = text.rfind(':').filter(|at| *at > text.rfind(']').unwrap_or(0));
    let (host, port) = match port_at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if text.contains('@') {
        return Err(Refusal::BadRequest("the URL has a user name or password; send them in a header"));
    }
    let port = port.map(|port| match port.bytes().all(|byte| byte.is_ascii_digit()) {
        true => port.parse().ok(),
        false => None,
    });
    if port == Some(None) {
        return Err(Refusal::BadRequest("the port is no number from 0 to 65535"));
    }
    // `::1:80` could be read in two ways.
    if host.contains(':') && !host.starts_with('[') {
        return Err(Refusal::BadRequest("an IPv6 address is written in brackets before a port"));
    }
    let host = Host::parse(host).map_err(Refusal::BadHost)?;
    Ok((host, port.flatten()))
}
