//! Fewer domains, ports, networks and bytes, more blocks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Narrowing;
use crate::{
    NetworkMode, NetworkPolicy,
    domain::{DomainPattern, PatternSet},
};

/// Entries of a list that a message repeats.
const SHOWN: usize = 5;

impl NetworkPolicy {
    /// What a request means by the keys that it leaves out. In the executor's own mode `restricted` that is the
    /// executor's value, but for the lists that are compared only if they were asked for.
    pub(super) fn unasked(&self, request: &Value) -> Self {
        let mode = request.pointer("/network/mode").cloned().unwrap_or_default();
        let mode = serde_json::from_value(mode).unwrap_or(self.mode);
        match (self.mode, mode) {
            (NetworkMode::Restricted, NetworkMode::Restricted) => {
                Self { allowed_domains: Vec::new(), blocked_domains: Vec::new(), ca_file: None, ..self.clone() }
            }
            _ => Self { mode: self.mode, ..Self::default() },
        }
    }
}

impl Narrowing<'_> {
    pub(super) fn network(&mut self, held: &mut NetworkPolicy, asked: &NetworkPolicy) {
        let before = held.mode;
        self.lower("network.mode", &mut held.mode, &asked.mode);
        match (before, asked.mode) {
            (NetworkMode::Restricted, NetworkMode::Restricted) => self.restricted(held, asked),
            (NetworkMode::All, NetworkMode::Restricted) => {
                *held = NetworkPolicy { ca_file: held.ca_file.take(), ..asked.clone() };
            }
            // Where nothing is reachable, the executor's own domains mean nothing any more.
            (_, NetworkMode::None) => *held = NetworkPolicy::default(),
            _ => {}
        }
    }

    fn restricted(&mut self, held: &mut NetworkPolicy, asked: &NetworkPolicy) {
        self.allowed_networks(held, asked);
        self.ports(held, asked);
        self.lower("network.max_connections", &mut held.max_connections, &asked.max_connections);
        self.lower("network.max_bytes", &mut held.max_bytes, &asked.max_bytes);
        self.lower("network.idle_timeout", &mut held.idle_timeout, &asked.idle_timeout);
        self.domains(held, asked);
    }

    /// After the networks, which decide whether an address that is allowed by itself still means something.
    fn domains(&mut self, held: &mut NetworkPolicy, asked: &NetworkPolicy) {
        let blocked = PatternSet::parse(&held.blocked_domains, |_, _| {});
        if self.present("network.allowed_domains") {
            self.allowed_domains(held, &blocked, asked);
            held.allowed_domains.clone_from(&asked.allowed_domains);
        } else {
            let newly_blocked = PatternSet::parse(&asked.blocked_domains, |_, _| {});
            let means_something = |text: &String| {
                DomainPattern::parse(text)
                    .is_ok_and(|pattern| !newly_blocked.has(&pattern) && held.unreachable(&pattern).is_none())
            };
            held.allowed_domains = held.allowed_domains.iter().filter(|text| means_something(text)).cloned().collect();
        }
        for text in &asked.blocked_domains {
            if DomainPattern::parse(text).is_ok_and(|pattern| !blocked.has(&pattern)) {
                held.blocked_domains.push(text.clone());
            }
        }
    }

    fn allowed_domains(&mut self, held: &NetworkPolicy, blocked: &PatternSet, asked: &NetworkPolicy) {
        let key = "network.allowed_domains";
        let allowed = PatternSet::parse(&held.allowed_domains, |_, _| {});
        let patterns = || asked.allowed_domains.iter().filter_map(|text| DomainPattern::parse(text).ok());
        let unknown: Vec<_> = patterns().filter(|pattern| !allowed.contains(pattern)).collect();
        if !unknown.is_empty() {
            let (unknown, held) = (shown(&unknown), shown(&held.allowed_domains));
            self.wider(key, format!("this executor does not allow: {unknown}; it allows: {held}"));
        }
        let refused: Vec<_> = patterns().filter(|pattern| blocked.has(pattern)).collect();
        if !refused.is_empty() {
            self.wider(key, format!("this executor blocks: {}", shown(&refused)));
        }
    }

    fn ports(&mut self, held: &mut NetworkPolicy, asked: &NetworkPolicy) {
        let (known, wanted): (BTreeSet<_>, BTreeSet<_>) = (held.ports.iter().collect(), asked.ports.iter().collect());
        let unknown: Vec<_> = wanted.difference(&known).collect();
        if !unknown.is_empty() {
            let (unknown, known) = (shown(&unknown), shown(&held.ports));
            self.wider("network.ports", format!("this executor does not allow: {unknown}; it allows: {known}"));
        }
        held.ports.clone_from(&asked.ports);
    }

    fn allowed_networks(&mut self, held: &mut NetworkPolicy, asked: &NetworkPolicy) {
        let covered = |network| held.allowed_networks.iter().any(|held| held.covers(network));
        let unknown: Vec<_> = asked.allowed_networks.iter().filter(|network| !covered(network)).collect();
        if !unknown.is_empty() {
            let (unknown, known) = (shown(&unknown), shown(&held.allowed_networks));
            self.wider(
                "network.allowed_networks",
                format!("this executor does not allow: {unknown}; it allows: {known}"),
            );
        }
        held.allowed_networks.clone_from(&asked.allowed_networks);
    }
}

/// The first few, and how many more there are.
fn shown(items: &[impl ToString]) -> String {
    let first: Vec<_> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    match items.len() {
        0 => "nothing".to_owned(),
        count if count > SHOWN => format!("{} and {} more", first.join(", "), count - SHOWN),
        _ => first.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::{ByteSize, Policy, PolicyError, domain::DomainRules};

    fn executor(network: &Value) -> Policy {
        Policy::from_value(&json!({ "network": network }), Path::new("/etc/codemode")).unwrap()
    }

    fn restricted() -> Policy {
        executor(&json!({
            "mode": "restricted",
            "allowed_domains": ["*.example.com", "example.org", "10.1.2.3"],
            "blocked_domains": ["secret.example.com"],
            "ports": [80, 443, 8443],
            "allowed_networks": ["10.0.0.0/8"],
            "ca_file": "ca.pem",
            "max_connections": 32
        }))
    }

    /// What a request gets, which must load from its own text and stay the same when it is asked for again.
    fn narrowed(executor: &Policy, network: &Value) -> Result<NetworkPolicy, PolicyError> {
        let request = json!({ "network": network });
        let narrowed = executor.narrowed(&request)?;
        assert_eq!(Policy::from_value(&narrowed.to_value(), Path::new("/")).unwrap(), narrowed);
        assert_eq!(narrowed.narrowed(&request).unwrap(), narrowed);
        DomainRules::new(&narrowed.network).unwrap();
        Ok(narrowed.network)
    }

    fn problems(executor: &Policy, network: &Value) -> Vec<String> {
        narrowed(executor, network).unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_request_may_name_any_of_the_keys() {
        let held = restricted().network;
        let asked = json!({"allowed_domains": ["API.example.com", "*.eu.example.com", "10.1.2.3"]});
        let network = narrowed(&restricted(), &asked).unwrap();
        assert_eq!(network.allowed_domains, ["API.example.com", "*.eu.example.com", "10.1.2.3"]);
        assert_eq!(NetworkPolicy { allowed_domains: held.allowed_domains.clone(), ..network }, held);

        let network = narrowed(&restricted(), &json!({"ports": [443], "mode": null})).unwrap();
        assert_eq!(NetworkPolicy { ports: vec![443], ..held.clone() }, network);

        let asked =
            json!({"max_connections": 2, "max_bytes": "1m", "idle_timeout": 5, "allowed_networks": ["10.1.0.0/16"]});
        let network = narrowed(&restricted(), &asked).unwrap();
        assert_eq!((network.max_connections, network.max_bytes), (2, ByteSize::mib(1)));
        assert_eq!(network.idle_timeout, Duration::from_secs(5));
        assert_eq!(network.allowed_networks.len(), 1);
        assert_eq!(network.allowed_domains, held.allowed_domains);

        assert_eq!(narrowed(&restricted(), &json!({"allowed_domains": []})).unwrap().allowed_domains, [""; 0]);
        assert_eq!(
            narrowed(&restricted(), &json!({"ca_file": "/etc/shadow"})).unwrap(),
            held,
            "not the client's business"
        );
        let own = serde_json::to_value(&held).unwrap();
        assert_eq!(narrowed(&restricted(), &own).unwrap(), held);
    }

    #[test]
    fn blocks_are_added() {
        let network =
            narrowed(&restricted(), &json!({"blocked_domains": ["a.example.com", "Secret.example.com"]})).unwrap();
        assert_eq!(network.blocked_domains, ["secret.example.com", "a.example.com"]);
        // What the executor allows by this very pattern is then not allowed any more, rather than in both lists.
        let network = narrowed(&restricted(), &json!({"blocked_domains": ["EXAMPLE.org"]})).unwrap();
        assert_eq!(network.allowed_domains, ["*.example.com", "10.1.2.3"]);
        // Nothing takes a block away.
        let network = narrowed(&restricted(), &json!({"blocked_domains": []})).unwrap();
        assert_eq!(network.blocked_domains, ["secret.example.com"]);
    }

    #[test]
    fn an_address_goes_with_its_network() {
        let network = narrowed(&restricted(), &json!({"allowed_networks": []})).unwrap();
        assert_eq!(network.allowed_domains, ["*.example.com", "example.org"]);
        let asked = json!({"allowed_networks": [], "allowed_domains": ["10.1.2.3"]});
        assert!(problems(&restricted(), &asked)[0].contains("can never be connected to"));
    }

    #[test]
    fn wider_requests_are_told_what_the_executor_allows() {
        let asked = json!({
            "allowed_domains": ["a.example.com", "*.org", "*.example.org", "example.com", "8.8.8.8", "secret.example.com"],
            "ports": [22, 443, 0x1f90],
            "allowed_networks": ["10.2.0.0/16", "192.168.0.0/16"],
            "max_connections": 33, "max_bytes": "2g", "idle_timeout": 61
        });
        assert_eq!(
            problems(&restricted(), &asked),
            [
                "network.allowed_networks: this executor does not allow: 192.168.0.0/16; it allows: 10.0.0.0/8",
                "network.ports: this executor does not allow: 22, 8080; it allows: 80, 443, 8443",
                "network.max_connections: 33 is wider than this executor's 32",
                "network.max_bytes: 2 GiB is wider than this executor's 1 GiB",
                "network.idle_timeout: 61 s is wider than this executor's 60 s",
                "network.allowed_domains: this executor does not allow: *.org, *.example.org, example.com, 8.8.8.8; it \
                 allows: *.example.com, example.org, 10.1.2.3",
                "network.allowed_domains: this executor blocks: secret.example.com",
            ]
        );
        let many = Value::from_iter((0..1000).map(|number| format!("n{number}.test")));
        let told = problems(&restricted(), &json!({"allowed_domains": many})).remove(0);
        assert!(told.contains("n4.test and 995 more; it allows:") && !told.contains("n5.test"), "{told}");
        let deny = executor(&json!({"mode": "restricted"}));
        assert!(problems(&deny, &json!({"allowed_domains": ["a.test"]}))[0].ends_with("it allows: nothing"));
    }

    #[test]
    fn modes_go_from_all_to_restricted_to_none() {
        let all = executor(&json!({"mode": "all", "ca_file": "ca.pem"}));
        let asked = json!({
            "mode": "restricted", "allowed_domains": ["a.example", "10.1.2.3"], "allowed_networks": ["10.0.0.0/8"],
            "ports": [8443], "max_connections": 1000, "ca_file": "/other.pem"
        });
        let network = narrowed(&all, &asked).unwrap();
        assert_eq!((network.mode, network.max_connections), (NetworkMode::Restricted, 1000));
        assert_eq!((&network.ports[..], network.allowed_domains.len()), (&[8443][..], 2));
        assert_eq!(network.ca_file, all.network.ca_file);
        for held in [&all, &restricted()] {
            assert_eq!(narrowed(held, &json!({"mode": "none"})).unwrap(), NetworkPolicy::default());
        }
        assert_eq!(narrowed(&all, &json!({"mode": "all"})).unwrap(), all.network);
        assert_eq!(narrowed(&all, &json!({"ports": [80, 443]})).unwrap(), all.network, "the default says nothing");
        for (held, mode) in [(&restricted(), "all"), (&Policy::default(), "restricted"), (&Policy::default(), "all")] {
            let held_mode = held.network.mode;
            assert_eq!(
                problems(held, &json!({ "mode": mode })),
                [format!("network.mode: {mode} is wider than this executor's {held_mode}")]
            );
        }
    }

    #[test]
    fn keys_without_effect_are_refused_as_in_a_file() {
        let all = executor(&json!({"mode": "all"}));
        for held in [all, Policy::default()] {
            let said = &problems(&held, &json!({"allowed_domains": ["a.test"]}))[0];
            assert!(said.contains(&format!("no effect while network.mode is {}", held.network.mode)), "{said}");
        }
        let said = &problems(&restricted(), &json!({"mode": "none", "ports": [443]}))[0];
        assert!(said.contains("no effect while network.mode is none"), "{said}");
        assert!(problems(&restricted(), &json!({"allowed_domains": ["*"]}))[0].contains("every host"));
        let both = json!({"allowed_domains": ["a.example.com"], "blocked_domains": ["a.example.com"]});
        assert!(problems(&restricted(), &both)[0].contains("in network.blocked_domains as well"));
    }
}
