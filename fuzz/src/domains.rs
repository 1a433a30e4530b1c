//! Names, hosts, patterns and networks, against the rules written down a second time, label by label.

use std::net::IpAddr;

use codemode_types::{
    NetworkPolicy,
    address::{PrivateNetwork, never, special},
    domain::{DomainName, DomainPattern, DomainRules, Host, Permission},
};

/// The whole text is one, and so is each of its first lines; every line then meets every other.
pub fn domains(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines: Vec<_> = text.split('\n').take(8).collect();
    for text in lines.iter().copied().chain([text]) {
        name(text);
        host(text);
        pattern(text);
        network(text);
    }
    let hosts: Vec<_> = lines.iter().filter_map(|text| Host::parse(text).ok()).collect();
    let patterns: Vec<_> = lines.iter().filter_map(|text| DomainPattern::parse(text).ok()).collect();
    for one in &patterns {
        for host in &hosts {
            assert_eq!(one.covers(host), covers(one, host), "{one} {host}");
        }
        for other in &patterns {
            let samples = samples(other);
            if !samples.is_empty() {
                assert_eq!(one.contains(other), samples.iter().all(|host| one.covers(host)), "{one} {other}");
            }
        }
    }
    rules(&patterns, &hosts);
}

/// The labels of a name, in lower case.
fn labels(text: &str) -> Option<Vec<String>> {
    let mut labels: Vec<_> = text.split('.').map(str::to_ascii_lowercase).collect();
    if labels.len() > 1 && labels.last().is_some_and(String::is_empty) {
        labels.pop();
    }
    let last = labels.last()?;
    let number = |digits: &str, radix| digits.chars().all(|digit| digit.is_digit(radix));
    let numeric = number(last, 10) || last.strip_prefix("0x").is_some_and(|digits| number(digits, 16));
    let fits = |label: &String| {
        let inner = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
        matches!(label.chars().count(), 1..=63)
            && label.chars().all(inner)
            && ![label.chars().next(), label.chars().last()].contains(&Some('-'))
    };
    let length = labels.iter().map(|label| label.len() + 1).sum::<usize>() - 1;
    (labels.iter().all(fits) && length <= 253 && !numeric).then_some(labels)
}

fn name(text: &str) {
    let expected = labels(text).map(|labels| labels.join("."));
    match DomainName::parse(text) {
        Ok(name) => {
            assert_eq!(Some(name.as_str()), expected.as_deref(), "{text:?}");
            for same in [name.to_string(), format!("{name}."), name.as_str().to_ascii_uppercase()] {
                assert_eq!(DomainName::parse(&same).as_ref(), Ok(&name));
            }
        }
        Err(error) => {
            assert_eq!(expected, None, "{text:?}");
            told(&error.to_string());
        }
    }
}

fn host(text: &str) {
    match Host::parse(text) {
        Ok(host) => {
            assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host));
            match &host {
                Host::Name(name) => assert_eq!(DomainName::parse(text).as_ref(), Ok(name)),
                Host::Address(address) => {
                    assert!(DomainName::parse(text).is_err(), "{text:?} is both");
                    classes(*address);
                    assert_eq!(DomainPattern::parse(text), Ok(DomainPattern::Address(*address)));
                    if let IpAddr::V4(address) = address {
                        assert_eq!(text, address.octets().map(|number| number.to_string()).join("."));
                    }
                }
            }
        }
        Err(error) => {
            assert!(labels(text).is_none());
            told(&error.to_string());
        }
    }
}

/// What the standard library knows of addresses, the table knows as well.
fn classes(address: IpAddr) {
    assert!(never(address).is_none() || never(address) == special(address), "{address}");
    let (forbidden, other) = match address {
        IpAddr::V4(address) => (
            address.is_loopback() || address.is_link_local() || address.is_multicast() || address.is_broadcast(),
            address.is_private() || address.is_documentation() || address.octets()[0] >= 224,
        ),
        IpAddr::V6(address) => (
            address.is_loopback()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || address.to_ipv4().is_some(),
            address.is_unique_local() || address.segments()[0] & 0xe000 != 0x2000,
        ),
    };
    assert!(!(forbidden || address.is_unspecified()) || never(address).is_some(), "{address}");
    assert!(!other || special(address).is_some(), "{address}");
}

fn pattern(text: &str) {
    match DomainPattern::parse(text) {
        Ok(pattern) => {
            assert_eq!(DomainPattern::parse(&pattern.to_string()).as_ref(), Ok(&pattern));
            assert!(pattern.contains(&pattern));
            assert_eq!(matches!(pattern, DomainPattern::Below(_)), text.contains('*'));
            assert_eq!(pattern.address().is_some(), matches!(Host::parse(text), Ok(Host::Address(_))));
        }
        Err(error) => {
            assert!(Host::parse(text).is_err(), "a host is a pattern");
            told(&error.to_string());
        }
    }
}

fn covers(pattern: &DomainPattern, host: &Host) -> bool {
    let (pattern, host) = (pattern.to_string(), host.to_string());
    let (Some(host_labels), Some(rest)) = (labels(&host), pattern.strip_prefix("*.")) else { return pattern == host };
    let Some(rest) = labels(rest) else { return false };
    host_labels.len() > rest.len() && host_labels[host_labels.len() - rest.len()..] == rest
}

/// Hosts that the pattern covers: enough that only a pattern that contains it covers them all.
fn samples(pattern: &DomainPattern) -> Vec<Host> {
    let texts = match pattern {
        DomainPattern::Below(name) => ["x", "y", "x.y"].map(|label| format!("{label}.{name}")).to_vec(),
        other => vec![other.to_string()],
    };
    let samples: Vec<_> = texts.iter().filter_map(|text| Host::parse(text).ok()).collect();
    // Near the longest name some do not fit.
    if samples.len() == texts.len() { samples } else { Vec::new() }
}

/// The first half is allowed, the second blocked.
fn rules(patterns: &[DomainPattern], hosts: &[Host]) {
    let (allowed, blocked) = patterns.split_at(patterns.len() / 2);
    let texts = |patterns: &[DomainPattern]| patterns.iter().map(ToString::to_string).collect();
    let policy =
        NetworkPolicy { allowed_domains: texts(allowed), blocked_domains: texts(blocked), ..NetworkPolicy::default() };
    let rules = DomainRules::new(&policy).expect("patterns that were read");
    for host in hosts {
        let any = |patterns: &[DomainPattern]| patterns.iter().any(|pattern| covers(pattern, host));
        let expected = match (any(blocked), any(allowed)) {
            (true, _) => Permission::Blocked,
            (false, true) => Permission::Allowed,
            (false, false) => Permission::NotListed,
        };
        assert_eq!(rules.judge(host), expected, "{host}");
    }
}

fn network(text: &str) {
    match text.parse::<PrivateNetwork>() {
        Ok(network) => {
            assert_eq!(network.to_string().parse().as_ref(), Ok(&network));
            assert!(network.covers(&network));
            let address = text.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
            let address = address.expect("a network's own address");
            assert!(network.contains(address));
            assert!(matches!(never(address), None | Some("cloud metadata")), "{network}");
        }
        Err(error) => told(&error.to_string()),
    }
}

/// In one line, of a length that does not depend on the text's.
fn told(error: &str) {
    assert!(!error.contains(char::is_control), "{error:?}");
    assert!(error.contains("; ") && error.chars().count() < 1_200, "{error}");
}
