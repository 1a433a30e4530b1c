use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::ranges::{RANGES, Use};

/// One entry of `network.allowed_networks`: a private network that allowed names may resolve to. Nothing that is
/// [`never`](super::never) allowed overlaps it, but for single metadata services inside, and `never` still holds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrivateNetwork(IpNet);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidNetwork {
    #[error("`{0}` is not a network; write address and prefix length, such as 10.0.0.0/8 or fd12::/16")]
    Text(String),
    #[error("`{0}` is one address; write `{0}/{1}` for it alone, or the network's own prefix length")]
    Address(IpAddr, u8),
    #[error("`{0}` has an address inside the network; write `{1}`")]
    HostBits(IpNet, IpNet),
    #[error("`{0}` includes {1} addresses ({2}), which no policy can allow; name smaller networks without them")]
    Never(IpNet, &'static str, IpNet),
    #[error("`{0}` is a public network, which needs no permission here; allow its names in network.allowed_domains")]
    Public(IpNet),
}

impl PrivateNetwork {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether every address of `other` is one of this network.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for PrivateNetwork {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Err(InvalidNetwork::Address(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        let escaped = || text.chars().take(80).flat_map(char::escape_debug).collect();
        let network = strict(text).ok_or_else(|| InvalidNetwork::Text(escaped()))?;
        if network != network.trunc() {
            return Err(InvalidNetwork::HostBits(network, network.trunc()));
        }
        let overlapping = || RANGES.iter().filter(|range| overlap(&range.network, &network));
        let never = overlapping().find(|range| match range.used {
            Use::Never => true,
            Use::Metadata => range.network.contains(&network),
            Use::Private => false,
        });
        match never {
            Some(range) => Err(InvalidNetwork::Never(network, range.class, range.network)),
            None if overlapping().all(|range| range.used != Use::Private) => Err(InvalidNetwork::Public(network)),
            None => Ok(Self(network)),
        }
    }
}

/// By the standard library, because `IpNet` takes 010.0.0.0 for 10.0.0.0, and others take it for 8.0.0.0.
fn strict(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let digits = prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    IpNet::new(address.parse().ok()?, prefix.parse().ok().filter(|_| digits)?).ok()
}

/// Of two networks that share an address, one contains the other.
fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

impl fmt::Display for PrivateNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for PrivateNetwork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PrivateNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
