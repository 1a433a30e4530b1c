//! Who asks, from where, and as part of which trace.

use std::{fmt, sync::Arc};

use axum::{extract::Request, http::HeaderMap};
use tokio::net::unix::UCred;

/// Who a caller has shown to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// The first four bytes of the key's SHA-256 digest: enough to tell keys apart, nothing to log in with.
    Key([u8; 4]),
    /// Without keys, whoever is on this machine may call.
    Local,
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(formatter, "key:{:08x}", u32::from_be_bytes(*id)),
            Self::Local => formatter.write_str("local"),
        }
    }
}

/// The other end of a connection: `127.0.0.1:40312`, `unix:uid=1000,pid=77`.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: Arc<str>,
    /// The SHA-256 digest of the certificate that it showed, once that was verified.
    certificate: Option<Arc<str>>,
}

impl Peer {
    pub(crate) fn tcp(address: std::net::SocketAddr) -> Self {
        Self { address: address.to_string().into(), certificate: None }
    }

    pub(crate) fn identify(&mut self, certificate: &str) {
        self.certificate = Some(certificate.into());
    }

    /// As the kernel says.
    pub(crate) fn unix(credentials: Option<UCred>) -> Self {
        let address = match credentials.map(|it| (it.uid(), it.pid())) {
            Some((uid, Some(pid))) => format!("unix:uid={uid},pid={pid}").into(),
            Some((uid, None)) => format!("unix:uid={uid}").into(),
            None => "unix".into(),
        };
        Self { address, certificate: None }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.address)
    }
}

/// Of one request, or of one stream and all that is asked on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    principal: Option<Principal>,
    peer: Option<Peer>,
    trace_id: Option<String>,
    path: Option<String>,
}

impl Origin {
    pub(crate) fn of(request: &Request, principal: Option<Principal>) -> Self {
        Self(Some(Arc::new(Known {
            principal,
            peer: request.extensions().get::<Peer>().cloned(),
            trace_id: trace_id(request.headers()),
            path: Some(request.uri().path().to_owned()),
        })))
    }

    /// Of a connection that came to no request.
    pub(crate) fn of_connection(peer: &Peer) -> Self {
        Self(Some(Arc::new(Known { principal: None, peer: Some(peer.clone()), trace_id: None, path: None })))
    }

    /// The key, the certificate, or both, in one text.
    pub(super) fn principal(&self) -> Option<String> {
        let known = self.0.as_ref()?;
        let principal = known.principal.map(|principal| principal.to_string());
        let certificate = known.peer.as_ref().and_then(|peer| peer.certificate.as_ref());
        let certificate = certificate.map(|digest| format!("cert:{digest}"));
        let parts: Vec<_> = principal.into_iter().chain(certificate).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    pub(super) fn peer(&self) -> Option<&str> {
        Some(&self.0.as_ref()?.peer.as_ref()?.address)
    }

    pub(super) fn trace_id(&self) -> Option<&str> {
        self.0.as_ref()?.trace_id.as_deref()
    }

    pub(super) fn path(&self) -> Option<&str> {
        self.0.as_ref()?.path.as_deref()
    }
}

/// Of the W3C header `traceparent`, where there is exactly one and it is valid.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    parsed(value.to_str().ok()?.trim_matches([' ', '\t'])).map(str::to_owned)
}

/// `00-<trace id>-<parent id>-<flags>`; a later version may have more behind another dash.
fn parsed(text: &str) -> Option<&str> {
    let mut parts = text.splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let more = parts.next();
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |part: &str| part.bytes().any(|byte| byte != b'0');
    let well_formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let known = version != "ff" && (version != "00" || more.is_none());
    (well_formed && known && named(trace) && named(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn trace_ids_are_read_as_the_standard_says() {
        let parent = "00f067aa0ba902b7";
        assert_eq!(parsed(&format!("00-{TRACE}-{parent}-01")), Some(TRACE));
        assert_eq!(parsed(&format!("cc-{TRACE}-{parent}-01-what-comes")), Some(TRACE));
        for wrong in [
            String::new(),
            TRACE.into(),
            format!("ff-{TRACE}-{parent}-01"),
            format!("00-{TRACE}-{parent}-01-more"),
            format!("00-{TRACE}-{parent}-1"),
            format!("00-{}-{parent}-01", TRACE.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{parent}-01", "\u{1b}".repeat(32)),
        ] {
            assert_eq!(parsed(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let mut headers = HeaderMap::new();
        headers.append("traceparent", value.parse().unwrap());
        assert_eq!(trace_id(&headers).as_deref(), Some(TRACE));
        headers.append("traceparent", value.parse().unwrap());
        assert_eq!(trace_id(&headers), None);
    }

    #[test]
    fn a_key_is_named_by_its_digest() {
        assert_eq!(Principal::Key([0x0b, 0xad, 0xca, 0xfe]).to_string(), "key:0badcafe");
    }
}
