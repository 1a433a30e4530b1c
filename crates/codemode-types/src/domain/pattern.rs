use std::{fmt, net::IpAddr};

use super::{DomainError, DomainName, Host, error::Fault};

/// One entry of `network.allowed_domains` or `network.blocked_domains`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DomainPattern {
    /// `api.example.com`: that name alone.
    Exact(DomainName),
    /// `*.example.com`: every name with at least one label more, never `example.com` itself.
    Below(DomainName),
    /// An address that is connected to without a name.
    Address(IpAddr),
}

impl DomainPattern {
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let wrong = |fault| Err(DomainError::new(text, fault));
        match text.strip_prefix("*.") {
            _ if matches!(text, "*" | "*." | "*.*") => wrong(Fault::EveryHost),
            Some(rest) if !rest.contains('*') => match DomainName::parse(rest) {
                Ok(name) => Ok(Self::Below(name)),
                Err(error) => wrong(error.fault()),
            },
            _ if text.contains('*') || text.starts_with('.') => wrong(Fault::Wildcard),
            _ => Host::parse(text).map(Self::from),
        }
    }

    pub fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(name), Host::Name(host)) => name == host,
            (Self::Below(name), Host::Name(host)) => host.is_below(name),
            (Self::Address(address), Host::Address(host)) => address == host,
            _ => false,
        }
    }

    /// Whether this pattern covers every host that `other` covers.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(name), Self::Exact(other)) => other.is_below(name),
            (Self::Below(name), Self::Below(other)) => other == name || other.is_below(name),
            _ => self == other,
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            _ => None,
        }
    }
}

impl From<Host> for DomainPattern {
    fn from(host: Host) -> Self {
        match host {
            Host::Name(name) => Self::Exact(name),
            Host::Address(address) => Self::Address(address),
        }
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Below(name) => write!(formatter, "*.{name}"),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}
