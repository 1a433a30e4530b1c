use std::{collections::HashSet, net::IpAddr};

use super::{DomainError, DomainName, DomainPattern, Host};
use crate::{NetworkPolicy, PolicyError, Problem};

/// What `network.allowed_domains` and `network.blocked_domains` say of a host.
#[derive(Clone, Debug, Default)]
pub struct DomainRules {
    allowed: PatternSet,
    blocked: PatternSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Allowed,
    NotListed,
    Blocked,
}

impl DomainRules {
    /// Does not ask for the mode: with `none` and `all` the lists are empty.
    pub fn new(policy: &NetworkPolicy) -> Result<Self, PolicyError> {
        let mut problems = Vec::new();
        let mut read = |key: &str, texts: &[String]| {
            PatternSet::parse(texts, |item, error| problems.push(Problem::new(key, error.to_string()).in_item(item)))
        };
        let allowed = read("network.allowed_domains", &policy.allowed_domains);
        let blocked = read("network.blocked_domains", &policy.blocked_domains);
        match problems.is_empty() {
            true => Ok(Self { allowed, blocked }),
            false => Err(PolicyError { problems }),
        }
    }

    /// A block wins over what is allowed; what no list names is not allowed. An address that a name resolved to can be
    /// asked about as well: `Blocked` then means that somebody blocked it, whichever name led there.
    pub fn judge(&self, host: &Host) -> Permission {
        if self.blocked.covers(host) {
            Permission::Blocked
        } else if self.allowed.covers(host) {
            Permission::Allowed
        } else {
            Permission::NotListed
        }
    }
}

/// Patterns as sets: the time for a host grows with its labels, not with a list that may hold thousands.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatternSet {
    exact: HashSet<DomainName>,
    below: HashSet<DomainName>,
    addresses: HashSet<IpAddr>,
}

impl PatternSet {
    pub(crate) fn parse(texts: &[String], mut wrong: impl FnMut(usize, DomainError)) -> Self {
        let mut set = Self::default();
        for (item, text) in texts.iter().enumerate() {
            match DomainPattern::parse(text) {
                Ok(pattern) => set.insert(pattern),
                Err(error) => wrong(item, error),
            }
        }
        set
    }

    fn insert(&mut self, pattern: DomainPattern) {
        match pattern {
            DomainPattern::Exact(name) => drop(self.exact.insert(name)),
            DomainPattern::Below(name) => drop(self.below.insert(name)),
            DomainPattern::Address(address) => drop(self.addresses.insert(address)),
        }
    }

    /// Whether this very pattern is in the set.
    pub(crate) fn has(&self, pattern: &DomainPattern) -> bool {
        match pattern {
            DomainPattern::Exact(name) => self.exact.contains(name),
            DomainPattern::Below(name) => self.below.contains(name),
            DomainPattern::Address(address) => self.addresses.contains(address),
        }
    }

    /// Whether one of the patterns covers every host that `pattern` covers.
    pub(crate) fn contains(&self, pattern: &DomainPattern) -> bool {
        self.has(pattern)
            || match pattern {
                DomainPattern::Exact(name) | DomainPattern::Below(name) => self.has_above(name),
                DomainPattern::Address(_) => false,
            }
    }

    fn covers(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.exact.contains(name) || self.has_above(name),
            Host::Address(address) => self.addresses.contains(address),
        }
    }

    fn has_above(&self, name: &DomainName) -> bool {
        name.parents().any(|parent| self.below.contains(parent))
    }
}
