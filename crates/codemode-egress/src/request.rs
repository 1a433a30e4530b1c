//! What one HTTP request asks for, and the form in which it is sent on.

use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{
        CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
    http::{request::Parts, uri::PathAndQuery},
};

use codemode_types::domain::Host;

use crate::{
    connection::{About, Target},
    decision::{Refusal, Via},
    head,
};

const HTTP_PORT: u16 = 80;
/// RFC 9110, section 7.6.1, and what is older than it.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What the proxy is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To open a tunnel.
    Tunnel(Target),
    /// To pass on a request.
    Forward(Target),
}

/// `bound` is the only host there is, on a connection that leads to one.
pub(crate) fn asked(request: &Parts, bound: Option<&Target>) -> Result<Asked, (About, Refusal)> {
    let target = target(request, bound)?;
    let refused = |refusal| Err((About::from(&target), refusal));
    if request.method == Method::TRACE {
        return refused(Refusal::Method("TRACE"));
    }
    if request.headers.contains_key(UPGRADE) {
        return refused(Refusal::Upgrade);
    }
    match request.method == Method::CONNECT {
        true => Ok(Asked::Tunnel(target)),
        false => Ok(Asked::Forward(target)),
    }
}

fn target(request: &Parts, bound: Option<&Target>) -> Result<Target, (About, Refusal)> {
    let (uri, via) = (&request.uri, bound.map_or(Via::Http, |bound| bound.via));
    let bad = |what| Err((bound.map_or(About::unknown(via), About::from), Refusal::BadRequest(what)));
    if request.method == Method::CONNECT {
        return match (bound, uri.authority(), uri.scheme()) {
            (None, Some(authority), None) => tunnel(authority.as_str()),
            (None, ..) => Err((About::unknown(Via::Connect), Refusal::BadRequest("CONNECT wants host:port"))),
            (Some(_), ..) => bad("CONNECT goes to the proxy, not to a server"),
        };
    }
    match (uri.scheme_str(), uri.authority(), bound) {
        (Some("http"), Some(authority), _) => {
            let target = named(authority.as_str(), via)?;
            same_host(request, &target)?;
            match bound {
                Some(bound) if *bound != target => Err((About::from(bound), Refusal::HostMismatch)),
                _ => Ok(target),
            }
        }
        (Some("https"), Some(_), _) => {
            bad("https:// URLs need CONNECT; set HTTPS_PROXY to this proxy's http:// address")
        }
        (None, None, Some(bound)) if request.headers.contains_key(HOST) => {
            same_host(request, bound)?;
            Ok(bound.clone())
        }
        (None, None, Some(_)) => bad("the request has no Host header"),
        (None, None, None) => bad("this is a proxy: ask for a whole URL (http://host/path), or use CONNECT"),
        _ => bad("the proxy knows http:// URLs and CONNECT, nothing else"),
    }
}

fn tunnel(authority: &str) -> Result<Target, (About, Refusal)> {
    match head::authority(authority) {
        Ok((host, Some(port))) => Ok(Target { host, port, via: Via::Connect }),
        Ok((host, None)) => {
            let about = About::text(&host.to_string(), 0, Via::Connect);
            Err((about, Refusal::BadRequest("CONNECT wants a port: host:port")))
        }
        Err(refusal) => Err((About::text(authority, 0, Via::Connect), refusal)),
    }
}

fn named(authority: &str, via: Via) -> Result<Target, (About, Refusal)> {
    match head::authority(authority) {
        Ok((host, port)) => Ok(Target { host, port: port.unwrap_or(HTTP_PORT), via }),
        Err(refusal) => Err((About::text(authority, 0, via), refusal)),
    }
}

/// A Host header, if there is one, means the target. The head was checked for there being only one.
fn same_host(request: &Parts, target: &Target) -> Result<(), (About, Refusal)> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let is_same = |host: &HeaderValue| {
        let named = host.to_str().ok().and_then(|text| head::authority(text).ok());
        named.is_some_and(|(host, port)| host == target.host && port.unwrap_or(HTTP_PORT) == target.port)
    };
    if hosts.all(is_same) { Ok(()) } else { Err((About::from(target), Refusal::HostMismatch)) }
}

/// The request as the server gets it: path and query only, the one Host, nothing that is between two hops.
pub(crate) fn forwarded<B>(request: Request<B>, target: &Target) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    parts.version = hyper::Version::HTTP_11;
    parts.extensions.clear();
    strip(&mut parts.headers);
    // hyper has answered it, or does so when the body is read.
    parts.headers.remove(EXPECT);
    if let Ok(host) = HeaderValue::try_from(host_header(target)) {
        parts.headers.insert(HOST, host);
    }
    if is_chunked {
        // hyper would leave out the body of a method that rarely has one.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Request::from_parts(parts, body)
}

fn host_header(Target { host, port, .. }: &Target) -> String {
    let host = match host {
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        host => host.to_string(),
    };
    if *port == HTTP_PORT { host } else { format!("{host}:{port}") }
}

/// Removes what is between two hops only, and what `Connection` says is.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}
