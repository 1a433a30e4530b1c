//! Addresses that are not simply somebody's public host, and which of them a policy may allow.

mod network;
mod ranges;

use std::net::IpAddr;

pub use network::{InvalidNetwork, PrivateNetwork};
use ranges::{RANGES, Range, Use};

/// The class of an address of special use, for a refusal's text: `loopback`, `private`, `link-local`. `None`: a public
/// host. Whatever embeds an IPv4 address in IPv6 is a class of its own: what it leads to is the translator's choice.
pub fn special(address: IpAddr) -> Option<&'static str> {
    range(address).map(|range| range.class)
}

/// The class of an address that is refused even where `network.allowed_networks` covers it.
pub fn never(address: IpAddr) -> Option<&'static str> {
    range(address).filter(|range| range.used != Use::Private).map(|range| range.class)
}

/// The first that fits: the table names a part before the whole.
fn range(address: IpAddr) -> Option<&'static Range> {
    RANGES.iter().find(|range| range.network.contains(&address))
}

#[cfg(test)]
mod tests;
