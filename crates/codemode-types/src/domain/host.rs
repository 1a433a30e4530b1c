use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{DomainError, DomainName, error::Fault};

/// Where a connection wants to go: a name, or an address written out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    Name(DomainName),
    /// As written: an IPv4-mapped IPv6 address stays IPv6.
    Address(IpAddr),
}

impl Host {
    /// An address is four decimal numbers, or IPv6 with or without one pair of brackets and without a zone id. The other
    /// spellings of an address (`127.1`, `0x7f.0.0.1`, `2130706433`) are errors, because not everybody reads them alike.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bracketed.unwrap_or(text).parse::<Ipv6Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        // Two colons are an address with a mistake in it, one is a port.
        let meant = text.matches(':').count() > 1 && !text.contains('/');
        match meant || bracketed.is_some() {
            true => Err(DomainError::new(text, Fault::Ipv6)),
            false => DomainName::parse(text).map(Self::Name),
        }
    }

    pub fn name(&self) -> Option<&DomainName> {
        match self {
            Self::Name(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

/// IPv6 without brackets.
impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(formatter),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}
