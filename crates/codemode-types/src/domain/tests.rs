use super::*;
use crate::{NetworkMode, NetworkPolicy};

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn host(text: &str) -> Host {
    Host::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn pattern(text: &str) -> DomainPattern {
    DomainPattern::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The longest name there is, 253 characters without its dot.
fn longest() -> String {
    [63, 63, 63, 61].map(|length| "a".repeat(length)).join(".")
}

#[test]
fn names_have_one_normal_form() {
    for (text, normal) in [
        ("example.com", "example.com"),
        ("API.Example.COM.", "api.example.com"),
        ("localhost", "localhost"),
        ("a", "a"),
        ("3com.com", "3com.com"),
        ("1.2.3.4a", "1.2.3.4a"),
        ("0xyz", "0xyz"),
        ("0x7f.example", "0x7f.example"),
        ("127.0.0.1.nip.io", "127.0.0.1.nip.io"),
        ("r3---sn-a5m.example", "r3---sn-a5m.example"),
        ("XN--Bcher-KVA.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(name(text).as_str(), normal);
    }
    assert_eq!(name(&longest()).as_str(), longest());
    assert_eq!(name(&format!("{}.", longest())).as_str(), longest(), "the trailing dot does not count");
}

#[test]
fn what_is_no_name_is_told_with_the_remedy() {
    for (text, said) in [
        ("", "`` is empty; write a name"),
        (".", "`.` is empty"),
        ("..", "has nothing before one of its dots"),
        ("example.com..", "has nothing before one of its dots; write one dot between labels"),
        ("a..b", "has nothing before one of its dots"),
        (".a", "has nothing before one of its dots"),
        ("-a.b", "has a hyphen beside a dot or at an end"),
        ("a-.b", "has a hyphen beside a dot or at an end"),
        ("xn--.example", "has a hyphen beside a dot or at an end"),
        ("a.-", "has a hyphen beside a dot or at an end"),
        ("a_b.c", "has a `_`, which no host name has"),
        ("_dmarc.example.com", "has a `_`"),
        ("example.com:443", "has a `:`; write the host alone, without scheme, port or path"),
        ("https://example.com/", "has a `:`; write the host alone"),
        ("example.com/x", "has a `/`; write the host alone"),
        ("example.com#.evil.test", "has a `#`"),
        ("example.com?.evil.test", "has a `?`"),
        ("user@example.com", "has an `@`; write the host alone, without user name and password"),
        ("example%2ecom", "has a `%`; write the name itself"),
        ("a]b", "has a bracket"),
        ("[example.com]", "is no IPv6 address"),
        ("example.com ", "has the character ` `"),
        ("exa\tmple.com", r"has the character `\t`"),
        ("evil.test\0.example.com", r"`evil.test\0.example.com` has the character `\0`"),
        ("example.com\r\nX: y", r"`example.com\r\nX: y` has the character `\r`"),
        (r"example.com\.evil.test", r"has the character `\\`"),
        ("bücher.example", "has the character `ü` (U+00FC), which is not ASCII; write it in punycode (xn--…)"),
        ("example。com", "has the character `。` (U+3002)"),
        ("example．com", "has the character `．` (U+FF0E)"),
        ("example｡com", "has the character `｡` (U+FF61)"),
        ("ｅxample.com", "(U+FF45)"),
        ("exa\u{ad}mple.com", r"`exa\u{ad}mple.com` has the character `\u{ad}` (U+00AD)"),
        ("exa\u{200b}mple.com", r"`exa\u{200b}mple.com` has the character `\u{200b}` (U+200B)"),
        ("exa\u{202e}mple.com", r"`exa\u{202e}mple.com` has the character `\u{202e}` (U+202E)"),
        ("gооgle.com", "(U+043E)"),
        ("ﬁ.example", "(U+FB01)"),
        ("\u{212a}.example", "(U+212A)"),
    ] {
        let error = Host::parse(text).expect_err(text).to_string();
        assert!(error.contains(said), "{error}");
    }
    let label = |length: usize| format!("{}.example", "a".repeat(length));
    assert_eq!(name(&label(63)).as_str(), label(63));
    let error = DomainName::parse(&label(64)).unwrap_err().to_string();
    assert!(error.contains("has 64 characters between two dots; at most 63"), "{error}");
    let error = DomainName::parse(&format!("{}a", longest())).unwrap_err().to_string();
    assert!(error.contains("has 254 characters; a domain name has at most 253"), "{error}");
    assert!(error.len() < 200 && error.contains('…'), "{error}");
}

#[test]
fn addresses_have_one_spelling() {
    for (text, normal) in [
        ("192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("[::ffff:7f00:1]", "::ffff:127.0.0.1"),
    ] {
        let address = host(text);
        assert!(address.address().is_some() && address.name().is_none());
        assert_eq!(address.to_string(), normal);
    }
    assert!(host("::ffff:127.0.0.1").address().unwrap().is_ipv6(), "not turned into what it stands for");
}

#[test]
fn what_another_parser_takes_for_an_address_is_nothing_here() {
    for text in [
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "2130706433",
        "0x7f.0.0.1",
        "0x7f000001",
        "0x",
        "a.0x",
        "0X7F",
        "1.2.3.4.",
        "1.2.3.4.5",
        "256.0.0.1",
        "127.0.0.0x1",
        "a.b.1",
        "0",
        "00",
        "１２７.0.0.1",
        "1.2.3.4:80",
        "+1.2.3.4",
        "[127.0.0.1]",
        "[::1",
        "::1]",
        "[[::1]]",
        "[]",
        "[::1]:80",
        "[::1].",
        "::1%lo",
        "[fe80::1%25eth0]",
        "fe80::1%1",
        ":",
        "::g",
        "1::2::3",
        "::1 ",
        "::127.0.0.01",
        "12345::",
        "1:2:3:4:5:6:7:8:9",
        "[::1]@x",
    ] {
        let error = Host::parse(text).expect_err(text).to_string();
        assert!(error.contains("; write ") || error.contains("; brackets ") || error.contains("; a domain"), "{error}");
    }
    let error = Host::parse("0x7f.1").unwrap_err().to_string();
    assert_eq!(
        error,
        "`0x7f.1` ends with a number, so it is no domain name; write an IPv4 address as four decimal numbers, such as \
         192.0.2.1"
    );
    let error = Host::parse("fe80::1%eth0").unwrap_err().to_string();
    assert!(error.contains("without zone id"), "{error}");
}

#[test]
fn a_wildcard_means_at_least_one_label_below() {
    let below = pattern("*.Example.com.");
    assert_eq!(below.to_string(), "*.example.com");
    for covered in ["a.example.com", "a.b.example.com", "A.EXAMPLE.COM.", "xn--a.example.com"] {
        assert!(below.covers(&host(covered)), "{covered}");
    }
    for other in ["example.com", "badexample.com", "a.example.com.evil.test", "com", "example.comm", "192.0.2.1"] {
        assert!(!below.covers(&host(other)), "{other}");
    }
    let exact = pattern("example.com");
    assert!(exact.covers(&host("EXAMPLE.com.")) && !exact.covers(&host("a.example.com")));
    let address = pattern("[2001:db8::1]");
    assert!(address.covers(&host("2001:DB8::1")) && !address.covers(&host("2001:db8::2")));
    assert!(!pattern("192.0.2.1").covers(&host("::ffff:192.0.2.1")), "another address");
}

#[test]
fn other_patterns_are_told_with_the_remedy() {
    for text in ["*", "*.", "*.*"] {
        let error = DomainPattern::parse(text).unwrap_err().to_string();
        assert!(error.contains("every host") && error.contains("network.mode to all"), "{error}");
    }
    for text in ["*example.com", "a.*.b", "a*.b", "**.b", "*.*.b", "*.b*", ".example.com"] {
        let error = DomainPattern::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is no pattern; *.example.com means")), "{error}");
    }
    for text in ["*..b", "*.b..", "*.1", "*.192.0.2.1", "*.::1", "*.[::1]", "*.b:80", "*.bücher.example", "", " "] {
        let error = DomainPattern::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` ")), "{error}");
    }
}

#[test]
fn containing_is_covering_every_host() {
    for (outer, inner, contains) in [
        ("*.b", "*.b", true),
        ("*.b", "a.b", true),
        ("*.b", "x.a.b", true),
        ("*.b", "*.a.b", true),
        ("*.b", "b", false),
        ("*.a.b", "*.b", false),
        ("*.b", "*.ab", false),
        ("b", "*.b", false),
        ("b", "B.", true),
        ("a.b", "b", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("::1", "[::1]", true),
        ("*.b", "192.0.2.1", false),
    ] {
        assert_eq!(pattern(outer).contains(&pattern(inner)), contains, "{outer} {inner}");
    }
}

fn rules(allowed: &[&str], blocked: &[&str]) -> DomainRules {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let policy = NetworkPolicy {
        mode: NetworkMode::Restricted,
        allowed_domains: owned(allowed),
        blocked_domains: owned(blocked),
        ..NetworkPolicy::default()
    };
    DomainRules::new(&policy).unwrap()
}

#[test]
fn blocks_win_and_what_is_not_listed_is_refused() {
    let rules = rules(&["*.example.com", "example.com", "192.0.2.1"], &["*.bad.example.com", "192.0.2.2"]);
    for (text, permission) in [
        ("example.com", Permission::Allowed),
        ("a.example.com", Permission::Allowed),
        ("bad.example.com", Permission::Allowed),
        ("a.bad.example.com", Permission::Blocked),
        ("A.Bad.Example.com.", Permission::Blocked),
        ("example.org", Permission::NotListed),
        ("com", Permission::NotListed),
        ("192.0.2.1", Permission::Allowed),
        ("192.0.2.2", Permission::Blocked),
        ("::ffff:192.0.2.1", Permission::NotListed),
    ] {
        assert_eq!(rules.judge(&host(text)), permission, "{text}");
    }
}

#[test]
fn an_empty_list_allows_nothing() {
    assert_eq!(rules(&[], &[]).judge(&host("example.com")), Permission::NotListed);
    assert_eq!(rules(&[], &["b"]).judge(&host("b")), Permission::Blocked);
}

#[test]
fn wrong_patterns_are_told_with_their_key() {
    let policy = NetworkPolicy {
        allowed_domains: vec!["a_b".into(), "ok.example".into()],
        blocked_domains: vec!["*".into()],
        ..NetworkPolicy::default()
    };
    let keys: Vec<_> = DomainRules::new(&policy).unwrap_err().problems.into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["network.allowed_domains", "network.blocked_domains"]);
}
