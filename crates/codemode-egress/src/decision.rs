//! What was asked for, and what became of it: one line of the audit log each.

use std::{
    fmt,
    io::ErrorKind,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use codemode_types::domain::DomainError;

/// One judgement. It is handed over before anything leaves the machine because of it; what fails afterwards is a second
/// decision about the same host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In normal form, or, if it has none, what was asked for with everything escaped that is not plain. Empty where
    /// nothing was asked for yet.
    pub host: String,
    /// 0 where nothing was asked for yet.
    pub port: u16,
    pub via: Via,
    /// Where the connection goes, once that is known.
    pub address: Option<IpAddr>,
    pub verdict: Result<(), Refusal>,
}

impl fmt::Display for Decision {
    /// One sentence without a full stop, which goes to the program too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.is_empty(), self.port, self.host.parse::<Ipv6Addr>().is_ok()) {
            (true, ..) => f.write_str("the connection")?,
            (_, 0, _) => f.write_str(&self.host)?,
            (_, port, true) => write!(f, "[{}]:{port}", self.host)?,
            (_, port, false) => write!(f, "{}:{port}", self.host)?,
        }
        match &self.verdict {
            Ok(()) => f.write_str(" is allowed"),
            Err(refusal) => write!(f, " is refused: {refusal}"),
        }
    }
}

/// How it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A plain HTTP request to the proxy.
    Http,
    /// A CONNECT request to the proxy.
    Connect,
    /// A SOCKS5 request to the proxy.
    Socks5,
    /// A connection to an address that the stub resolver gave out.
    Captured,
    /// A question to the stub resolver.
    Dns,
    /// A connection to any other address.
    Direct,
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Connect => "connect",
            Self::Socks5 => "socks5",
            Self::Captured => "captured",
            Self::Dns => "dns",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why not. Displayed as a sentence about the thing and its remedy; `word` is for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NotListed,
    Blocked,
    Port(u16),
    AddressLiteral,
    SpecialAddress {
        address: IpAddr,
        class: &'static str,
    },
    NoSuchName,
    /// The resolver failed, which says nothing about the name.
    NoAnswer,
    SniMissing,
    SniMismatch {
        sni: String,
    },
    NotTls(&'static str),
    NotHttp(&'static str),
    AmbiguousFraming(&'static str),
    HostMismatch,
    Upgrade,
    Method(&'static str),
    TooManyConnections(usize),
    TooManyBytes(u64),
    BadRequest(&'static str),
    /// What was asked for is neither a name nor an address.
    BadHost(DomainError),
    BadAnswer(&'static str),
    Unreachable(ErrorKind),
    /// No byte for this long.
    Idle(Duration),
    /// The first bytes of a connection or the head of a request took too long.
    Slow(Duration),
    Direct,
}

impl Refusal {
    /// Whether it says something of the world, and not of what the program may.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoAnswer | Self::BadAnswer(_) | Self::Unreachable(_) | Self::Idle(_))
    }

    /// A word that stays.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotListed => "not_listed",
            Self::Blocked => "blocked",
            Self::Port(_) => "port",
            Self::AddressLiteral => "address_literal",
            Self::SpecialAddress { .. } => "special_address",
            Self::NoSuchName => "no_such_name",
            Self::NoAnswer => "no_answer",
            Self::SniMissing => "sni_missing",
            Self::SniMismatch { .. } => "sni_mismatch",
            Self::NotTls(_) => "not_tls",
            Self::NotHttp(_) => "not_http",
            Self::AmbiguousFraming(_) => "ambiguous_framing",
            Self::HostMismatch => "host_mismatch",
            Self::Upgrade => "upgrade",
            Self::Method(_) => "method",
            Self::TooManyConnections(_) => "too_many_connections",
            Self::TooManyBytes(_) => "too_many_bytes",
            Self::BadRequest(_) | Self::BadHost(_) => "bad_request",
            Self::BadAnswer(_) => "bad_answer",
            Self::Unreachable(_) => "unreachable",
            Self::Idle(_) => "idle",
            Self::Slow(_) => "slow",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed => f.write_str("the name is not in network.allowed_domains"),
            Self::Blocked => f.write_str("it is in network.blocked_domains"),
            Self::Port(port) => write!(f, "port {port} is not in network.ports"),
            Self::AddressLiteral => f.write_str(
                "an address without a name is only reached if it is in network.allowed_domains itself; use the name",
            ),
            Self::SpecialAddress { address, class } => write!(
                f,
                "it leads to {address} ({class}); only private networks can be allowed, in network.allowed_networks"
            ),
            Self::NoSuchName => f.write_str("the name does not exist or has no address"),
            Self::NoAnswer => f.write_str("the executor's resolver gave no answer"),
            Self::SniMissing => {
                f.write_str("the TLS handshake names no server (SNI), so it cannot be compared with the host")
            }
            Self::SniMismatch { sni } => write!(f, "the TLS handshake is for another server (SNI {sni})"),
            Self::NotTls(what) | Self::NotHttp(what) => f.write_str(what),
            Self::AmbiguousFraming(what) | Self::BadRequest(what) | Self::BadAnswer(what) => f.write_str(what),
            Self::HostMismatch => f.write_str("the Host header names another host than the connection or the URL"),
            Self::Upgrade => f.write_str("protocol upgrades (WebSocket, h2c) are not allowed in plain HTTP; use TLS"),
            Self::Method(method) => write!(f, "the method {method} is not allowed"),
            Self::TooManyConnections(limit) => {
                write!(f, "{limit} connections are open already (network.max_connections)")
            }
            Self::TooManyBytes(limit) => {
                write!(f, "the execution has used up its {limit} bytes of traffic (network.max_bytes)")
            }
            Self::Unreachable(kind) => write!(f, "no connection to it ({kind})"),
            Self::BadHost(error) => write!(f, "its host {error}"),
            Self::Idle(time) => write!(f, "no byte has passed for {} s (network.idle_timeout)", time.as_secs_f64()),
            Self::Slow(time) => write!(f, "its first bytes did not arrive within {} s", time.as_secs_f64()),
            Self::Direct => f.write_str(
                "connections go through the proxy in HTTPS_PROXY, or to a name of network.allowed_domains on a port of \
                 network.ports; not straight to an address",
            ),
        }
    }
}
