//! The policy's network block.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    ByteSize,
    address::{self, PrivateNetwork},
    domain::{DomainPattern, PatternSet},
    limits::seconds,
};

use super::parse::Findings;

/// The list is read for every address of every answer.
const MAX_NETWORKS: usize = 256;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// No socket but those between the execution's own processes.
    #[default]
    None,
    /// Only through the egress proxy, to the domains and ports below.
    Restricted,
    /// The daemon's own network.
    All,
}

impl NetworkMode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Restricted => "restricted",
            Self::All => "all",
        }
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Everything but the mode takes effect in mode `restricted`, `ca_file` also in mode `all`; elsewhere it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPolicy {
    pub mode: NetworkMode,
    /// Patterns, see [`DomainPattern`]. Empty: nothing is reachable.
    pub allowed_domains: Vec<String>,
    /// Patterns that win over the allowed ones.
    pub blocked_domains: Vec<String>,
    pub ports: Vec<u16>,
    /// Networks of special use that allowed names may resolve to. Public addresses need no permission.
    pub allowed_networks: Vec<PrivateNetwork>,
    /// PEM certificates that programs inside trust.
    pub ca_file: Option<PathBuf>,
    /// At once, per execution.
    pub max_connections: u32,
    /// Both directions together, per execution.
    pub max_bytes: ByteSize,
    /// Seconds without a byte in either direction, per connection.
    #[serde(with = "seconds")]
    pub idle_timeout: Duration,
}

const MAX_PORTS: usize = 64;

const BLOCKED: &str = "network.blocked_domains";

/// Where a restricted sandbox finds the proxy, on its 127.0.0.1.
pub const PROXY_PORT: u16 = 3128;
/// And its resolver, which speaks TCP only: there is no UDP.
pub const RESOLVER_PORT: u16 = 53;

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self {
            mode: NetworkMode::None,
            allowed_domains: Vec::new(),
            blocked_domains: Vec::new(),
            ports: vec![80, 443],
            allowed_networks: Vec::new(),
            ca_file: None,
            max_connections: 64,
            max_bytes: ByteSize::mib(1024),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl NetworkPolicy {
    pub(super) fn validate(&self, found: &mut Findings<'_>) {
        match self.mode {
            NetworkMode::Restricted => {
                self.validate_bounds(found);
                // Each address is compared with each network.
                match self.allowed_networks.len() <= MAX_NETWORKS {
                    true => self.validate_domains(found),
                    false => found.say(
                        "network.allowed_networks",
                        &format!("names more than {MAX_NETWORKS} networks; name fewer and larger ones"),
                    ),
                }
            }
            mode => self.validate_unused(mode, found),
        }
    }

    /// What is written out but equal to the default cannot be told from what is left out, and misleads nobody.
    fn validate_unused(&self, mode: NetworkMode, found: &mut Findings<'_>) {
        let default = Self::default();
        for (key, given) in [
            ("network.allowed_domains", self.allowed_domains != default.allowed_domains),
            ("network.blocked_domains", self.blocked_domains != default.blocked_domains),
            ("network.ports", self.ports != default.ports),
            ("network.allowed_networks", self.allowed_networks != default.allowed_networks),
            ("network.ca_file", self.ca_file.is_some() && mode == NetworkMode::None),
            ("network.max_connections", self.max_connections != default.max_connections),
            ("network.max_bytes", self.max_bytes != default.max_bytes),
            ("network.idle_timeout", self.idle_timeout != default.idle_timeout),
        ] {
            if given {
                found.say(
                    key,
                    &format!(
                        "has no effect while network.mode is {mode}; set the mode to restricted, or leave this out"
                    ),
                );
            }
        }
    }

    fn validate_domains(&self, found: &mut Findings<'_>) {
        let blocked =
            PatternSet::parse(&self.blocked_domains, |item, error| found.item(BLOCKED, item, &error.to_string()));
        for (item, text) in self.allowed_domains.iter().enumerate() {
            let why = match DomainPattern::parse(text) {
                Err(error) => Some(error.to_string()),
                Ok(pattern) if blocked.has(&pattern) => {
                    Some(format!("`{pattern}` is in {BLOCKED} as well; remove it from one of the two"))
                }
                Ok(pattern) => self.unreachable(&pattern),
            };
            if let Some(why) = why {
                found.item("network.allowed_domains", item, &why);
            }
        }
    }

    /// Why an address that is allowed by itself could still never be connected to.
    pub(super) fn unreachable(&self, pattern: &DomainPattern) -> Option<String> {
        let address = pattern.address()?;
        if let Some(class) = address::never(address) {
            return Some(format!("`{address}` is of special use ({class}), which no policy can allow; remove it"));
        }
        let class = address::special(address)?;
        match self.allowed_networks.iter().any(|network| network.contains(address)) {
            true => None,
            false => Some(format!(
                "`{address}` is of special use ({class}) and can never be connected to; add its network to \
                 network.allowed_networks"
            )),
        }
    }

    fn validate_bounds(&self, found: &mut Findings<'_>) {
        if self.ports.is_empty() {
            found.say(
                "network.ports",
                "is empty, so nothing could be reached; name ports, or leave it out for 80 and 443",
            );
        }
        if self.ports.len() > MAX_PORTS {
            found.say(
                "network.ports",
                &format!("names more than {MAX_PORTS} ports, each of which every sandbox listens on"),
            );
        }
        for (port, why) in [
            (PROXY_PORT, "is the port of the sandbox's own proxy; remove it"),
            (RESOLVER_PORT, "is the port of the sandbox's own resolver; remove it"),
            (0, "is not a port; write numbers from 1 to 65535"),
        ] {
            if let Some(item) = self.ports.iter().position(|listed| *listed == port) {
                found.item("network.ports", item, &format!("{port} {why}"));
            }
        }
        if !(1..=1024).contains(&self.max_connections) {
            found.say("network.max_connections", "must be at least 1 and at most 1024");
        }
        if self.max_bytes.bytes() == 0 {
            found.say("network.max_bytes", "must be above 0; to reach nothing, set network.mode to none");
        }
    }

    /// `ca_file` is relative to the file that names it.
    pub(super) fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.ca_file {
            *file = base.join(&*file);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Policy, PolicyError};

    fn load(network: &Value) -> Result<NetworkPolicy, PolicyError> {
        Policy::from_value(&json!({ "network": network }), Path::new("/base")).map(|policy| policy.network)
    }

    fn problems(network: Value) -> Vec<String> {
        load(&network).unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_key_reads() {
        let network = load(&json!({
            "mode": "restricted",
            "allowed_domains": ["*.example.com", "10.1.2.3", "API.example.org."],
            "blocked_domains": ["secret.example.com", "169.254.169.254"],
            "ports": [443, 8443, 443],
            "allowed_networks": ["10.1.0.0/16", "fd12::/16"],
            "ca_file": "certs/ca.pem",
            "max_connections": 8,
            "max_bytes": "10m",
            "idle_timeout": 2.5
        }))
        .unwrap();
        assert_eq!(network.ca_file.as_deref(), Some(Path::new("/base/certs/ca.pem")));
        assert_eq!((network.max_connections, network.max_bytes), (8, ByteSize::mib(10)));
        assert_eq!(network.idle_timeout, Duration::from_millis(2500));
        let policy = Policy { network: network.clone(), ..Policy::default() };
        assert_eq!(Policy::from_value(&policy.to_value(), Path::new("/elsewhere")).unwrap().network, network);
    }

    #[test]
    fn an_empty_list_is_a_policy_that_allows_nothing() {
        assert_eq!(load(&json!({"mode": "restricted"})).unwrap().allowed_domains, [""; 0]);
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        let mut network = json!({
            "allowed_domains": ["a.example"], "blocked_domains": ["b.example"], "ports": [443],
            "allowed_networks": ["10.0.0.0/8"], "max_connections": 1, "max_bytes": 1, "idle_timeout": 1,
            "ca_file": "ca.pem"
        });
        let (none, count) = (problems(network.clone()), network.as_object().unwrap().len());
        assert_eq!(none.len(), count);
        assert!(none.contains(
            &"network.ca_file: has no effect while network.mode is none; set the mode to restricted, or leave this out"
                .to_owned()
        ));
        network["mode"] = json!("all");
        let all = problems(network.clone());
        assert_eq!(all.len(), count - 1, "all but ca_file");
        assert_eq!(
            all[0],
            "network.allowed_domains: has no effect while network.mode is all; set the mode to restricted, or leave \
             this out"
        );
        assert_eq!(load(&json!({"mode": "all", "ca_file": "/ca.pem"})).unwrap().ca_file, Some("/ca.pem".into()));
        network["mode"] = json!("restricted");
        load(&network).unwrap();
    }

    #[test]
    fn every_wrong_pattern_is_named() {
        let wrong = json!({
            "mode": "restricted",
            "allowed_domains": ["*", "ok.example", "a_b.example", "https://x.example/"],
            "blocked_domains": ["*x"]
        });
        let wrong = problems(wrong);
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong[0].starts_with("network.blocked_domains: `*x` is no pattern"));
        assert!(wrong[1].starts_with("network.allowed_domains: `*` would mean every host"));
    }

    #[test]
    fn a_pattern_in_both_lists_is_refused() {
        let both = json!({
            "mode": "restricted",
            "allowed_domains": ["*.Example.com", "a.example.com"], "blocked_domains": ["*.example.com.", "a.example"]
        });
        assert_eq!(
            problems(both),
            [
                "network.allowed_domains: `*.example.com` is in network.blocked_domains as well; remove it from one of the two"
            ]
        );
    }

    #[test]
    fn addresses_that_could_never_be_reached_are_refused() {
        let mut network = json!({
            "mode": "restricted",
            "allowed_domains": ["8.8.8.8", "10.0.0.1", "127.0.0.1", "[::ffff:10.0.0.1]", "100.100.100.200"]
        });
        assert_eq!(
            problems(network.clone()),
            [
                "network.allowed_domains: `10.0.0.1` is of special use (private) and can never be connected to; add \
                 its network to network.allowed_networks",
                "network.allowed_domains: `127.0.0.1` is of special use (loopback), which no policy can allow; remove it",
                "network.allowed_domains: `::ffff:10.0.0.1` is of special use (IPv4-mapped), which no policy can allow; \
                 remove it",
                "network.allowed_domains: `100.100.100.200` is of special use (cloud metadata), which no policy can \
                 allow; remove it",
            ]
        );
        network["allowed_networks"] = json!(["10.0.0.0/8", "100.64.0.0/10"]);
        assert_eq!(problems(network).len(), 3);
    }

    #[test]
    fn bounds_are_checked() {
        let wrong = json!({"mode": "restricted", "ports": [0, 443], "max_connections": 0, "max_bytes": 0});
        let keys = |lines: Vec<String>| -> Vec<_> {
            lines.iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(keys(problems(wrong)), ["network.ports", "network.max_connections", "network.max_bytes"]);
        let wrong = json!({"mode": "restricted", "ports": [], "max_connections": 1025});
        assert_eq!(keys(problems(wrong)), ["network.ports", "network.max_connections"]);
        load(&json!({"mode": "restricted", "max_connections": 1024})).unwrap();
        let networks = |last: u8| Value::from_iter((0..=last).map(|number| format!("10.{number}.0.0/16")));
        load(&json!({"mode": "restricted", "allowed_networks": networks(255)})).unwrap();
        let mut many = networks(255);
        many.as_array_mut().unwrap().push(json!("192.168.0.0/16"));
        assert_eq!(
            problems(json!({"mode": "restricted", "allowed_networks": many})),
            ["network.allowed_networks: names more than 256 networks; name fewer and larger ones"]
        );
    }

    #[test]
    fn wrong_values_are_told_in_plain_words() {
        let lines = problems(json!({
            "mode": "restricted", "allowed_networks": ["10.0.0.0/8", "10.1.2.3/8"], "ca_file": 5,
            "max_connections": -1, "max_bytes": "much", "idle_timeout": 0, "max_conections": 1
        }));
        assert_eq!(
            lines,
            [
                "network.max_conections: unknown key; did you mean `max_connections`?",
                "network.allowed_networks: `10.1.2.3/8` has an address inside the network; write `10.0.0.0/8`",
                "network.ca_file: expected a path, found the number 5",
                "network.max_connections: expected a whole number that is not below 0, found the number -1",
                "network.max_bytes: `much` is not a size: write bytes or a number with a unit, such as 512m, 512Mi or \
                 1GB",
                "network.idle_timeout: must be a number of seconds above 0 and at most one year",
            ]
        );
    }
}
