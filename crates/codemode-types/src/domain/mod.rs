//! Domain names, hosts and patterns in one normal form: policy, DNS query, SNI check and log all use the same value.
//!
//! What a name is here is narrower than in DNS, because resolvers, proxies and TLS libraries read the rest in different
//! ways. Text that two of them could read as two hosts is an error, never a guess.

mod error;
mod host;
mod name;
mod pattern;
mod rules;

pub use error::DomainError;
pub use host::Host;
pub use name::DomainName;
pub use pattern::DomainPattern;
pub use rules::{DomainRules, Permission};

pub(crate) use rules::PatternSet;

#[cfg(test)]
mod tests;
