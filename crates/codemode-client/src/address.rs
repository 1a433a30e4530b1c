use std::str::FromStr;

use tonic::{codegen::http::uri::Scheme, transport::Uri};

use crate::ClientError;

const DEFAULT_PORT: u16 = 8001;
const SCHEMES: &str = "must begin with http://, https://, grpc://, grpcs:// or unix://";

/// A checked URL of an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Always `http://authority` or `https://authority`.
    Tcp(Uri),
    Unix(String),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ClientError> {
        let refuse = |reason: &str| ClientError::config(format!("executor URL {url:?}: {reason}"));
        if let Some(path) = url.strip_prefix("unix://").or_else(|| url.strip_prefix("unix:")) {
            return match path {
                "" => Err(refuse("the path of the socket is missing; write unix:///path/to/socket")),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refuse(SCHEMES));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        match scheme {
            "http" | "grpc" | "https" | "grpcs" => tcp(scheme, authority).map_err(|reason| refuse(&reason)),
            _ => Err(refuse(SCHEMES)),
        }
    }

    /// The host, where it is to be reached with TLS.
    pub(crate) fn tls_host(&self) -> Option<&str> {
        match self {
            Self::Tcp(uri) if uri.scheme() == Some(&Scheme::HTTPS) => uri.host().map(bare),
            _ => None,
        }
    }
}

/// Host and port to dial.
pub(crate) fn endpoint(uri: &Uri) -> (&str, u16) {
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    (uri.host().map_or("", bare), uri.port_u16().unwrap_or(default))
}

/// An IPv6 address stands in brackets.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

fn tcp(scheme: &str, authority: &str) -> Result<Address, String> {
    if authority.contains('@') {
        return Err("credentials do not belong into the URL; set `api_key`".into());
    }
    if authority.contains(['/', '?', '#']) {
        return Err("must end after the port".into());
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err("the host is missing".into());
    }
    let http = if matches!(scheme, "https" | "grpcs") { "https" } else { "http" };
    let uri = Uri::from_str(&format!("{http}://{authority}")).map_err(|error| error.to_string())?;
    match authority.strip_prefix(uri.host().unwrap_or_default()) {
        // gRPC has no port of its own, http and https have: 80 and 443.
        Some("") if matches!(scheme, "grpc" | "grpcs") => tcp(scheme, &format!("{authority}:{DEFAULT_PORT}")),
        Some("") => Ok(Address::Tcp(uri)),
        // The URI parser takes any word for a port, and then falls back to its default.
        Some(port) if port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) => {
            Ok(Address::Tcp(uri))
        }
        _ => Err("the port must be a number from 1 to 65535".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_read() {
        let tcp = |text: &'static str| Address::Tcp(Uri::from_static(text));
        assert_eq!(Address::parse("http://localhost:8001").unwrap(), tcp("http://localhost:8001"));
        assert_eq!(Address::parse("grpc://localhost:9/").unwrap(), tcp("http://localhost:9"));
        assert_eq!(Address::parse("grpc://[::1]").unwrap(), tcp("http://[::1]:8001"));
        assert_eq!(Address::parse("https://executor").unwrap(), tcp("https://executor"));
        assert_eq!(Address::parse("grpcs://executor").unwrap(), tcp("https://executor:8001"));
        assert_eq!(Address::parse("unix:///run/c.sock").unwrap(), Address::Unix("/run/c.sock".into()));
        assert_eq!(Address::parse("unix:c.sock").unwrap(), Address::Unix("c.sock".into()));
    }

    #[test]
    fn what_is_dialled() {
        let dialled = |url: &str| match Address::parse(url).unwrap() {
            Address::Tcp(uri) => {
                let (host, port) = endpoint(&uri);
                (host.to_owned(), port)
            }
            Address::Unix(path) => (path, 0),
        };
        for (url, host, port) in [
            ("http://h", "h", 80),
            ("https://h", "h", 443),
            ("grpcs://h", "h", 8001),
            ("grpc://[::1]", "::1", 8001),
            ("https://[::1]:9/", "::1", 9),
        ] {
            assert_eq!(dialled(url), (host.into(), port), "{url}");
        }
        assert_eq!(Address::parse("https://[::1]").unwrap().tls_host(), Some("::1"));
        assert_eq!(Address::parse("http://h").unwrap().tls_host(), None);
    }

    #[test]
    fn a_wrong_address_names_the_way_out() {
        for (url, hint) in [
            ("https://h:port", "port"),
            ("grpcs://", "host is missing"),
            ("localhost:8001", "http://"),
            ("ftp://h", "http://"),
            ("http://", "host is missing"),
            ("http://key@h:1", "api_key"),
            ("http://h:1/path", "end after the port"),
            ("http://h:port", "port"),
            ("unix://", "path"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.to_string().contains(hint) && error.to_string().contains(url), "{url}: {error}");
            assert_eq!(error.code(), "config");
        }
    }
}
