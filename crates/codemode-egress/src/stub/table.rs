//! Which fake address stands for which name.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
};

use codemode_types::domain::DomainName;

/// Names that one execution may look up. A lookup of another one fails.
const MOST_NAMES: usize = 4096;

/// The fake addresses are 127.1.0.1 to 127.255.255.254. What programs mean by loopback, 127.0.0.0/16, is none of them, and
/// neither is an address that ends in 0 or 255.
const NETWORKS: u32 = 255 * 256;
const HOSTS: u32 = 254;

/// One execution's fake addresses. A name keeps its address until the execution ends.
#[derive(Debug)]
pub struct Table {
    addresses: HashMap<DomainName, Ipv4Addr>,
    names: HashMap<Ipv4Addr, DomainName>,
    first: u32,
}

impl Table {
    /// Starts at a random address, so that one execution's addresses mean nothing to the next.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(RandomState::new().hash_one(0) as u32)
    }

    /// Starts at the address of this number; every number has one.
    #[must_use]
    pub fn starting_at(first: u32) -> Self {
        Self { addresses: HashMap::new(), names: HashMap::new(), first: first % (NETWORKS * HOSTS) }
    }

    /// The name's address, a new one if it has none yet. Nothing when the table is full.
    pub fn address_of(&mut self, name: &DomainName) -> Option<Ipv4Addr> {
        if let Some(address) = self.addresses.get(name) {
            return Some(*address);
        }
        let count = self.addresses.len();
        if count == MOST_NAMES {
            return None;
        }
        let address = fake(self.first + count as u32);
        self.addresses.insert(name.clone(), address);
        self.names.insert(address, name.clone());
        Some(address)
    }

    /// The name that the address was given out for.
    #[must_use]
    pub fn name_of(&self, address: Ipv4Addr) -> Option<&DomainName> {
        self.names.get(&address)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

fn fake(number: u32) -> Ipv4Addr {
    let number = number % (NETWORKS * HOSTS);
    let (network, host) = (number / HOSTS, number % HOSTS);
    Ipv4Addr::from(0x7f01_0000 + (network << 8) + host + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> DomainName {
        DomainName::parse(&format!("host-{number}.example.com")).unwrap()
    }

    #[test]
    fn a_name_keeps_its_address_and_the_address_its_name() {
        let mut table = Table::new();
        let addresses: Vec<_> = (0..3).map(|number| table.address_of(&name(number)).unwrap()).collect();
        for (number, address) in addresses.iter().enumerate() {
            assert_eq!(table.address_of(&name(number)), Some(*address));
            assert_eq!(table.name_of(*address), Some(&name(number)));
            assert_eq!(addresses.iter().filter(|other| *other == address).count(), 1);
        }
        assert_eq!(table.name_of(Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn a_full_table_gives_no_more_and_forgets_nothing() {
        let mut table = Table::starting_at(u32::MAX);
        let first = table.address_of(&name(0)).unwrap();
        assert!((1..MOST_NAMES).all(|number| table.address_of(&name(number)).is_some()));
        assert_eq!(table.names.len(), MOST_NAMES, "no address stands for two names");
        assert_eq!(table.address_of(&name(MOST_NAMES)), None);
        assert_eq!(table.address_of(&name(0)), Some(first));
    }

    #[test]
    fn no_fake_address_is_one_that_programs_know() {
        assert_eq!(fake(0), Ipv4Addr::new(127, 1, 0, 1));
        assert_eq!(fake(HOSTS - 1), Ipv4Addr::new(127, 1, 0, 254));
        assert_eq!(fake(HOSTS), Ipv4Addr::new(127, 1, 1, 1));
        assert_eq!(fake(NETWORKS * HOSTS - 1), Ipv4Addr::new(127, 255, 255, 254));
        assert_eq!(fake(NETWORKS * HOSTS), fake(0));
        let last = Table::starting_at(NETWORKS * HOSTS - 1).address_of(&name(0));
        assert_eq!(last, Some(Ipv4Addr::new(127, 255, 255, 254)));
    }
}
