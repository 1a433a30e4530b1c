//! What programs and the audit log read: a contract.

use std::{io::ErrorKind, time::Duration};

use codemode_egress::{Decision, Refusal, Via};
use codemode_types::domain::Host;

#[test]
fn every_refusal_has_a_word_and_a_remedy() {
    let refusals = [
        Refusal::NotListed,
        Refusal::Blocked,
        Refusal::Port(22),
        Refusal::AddressLiteral,
        Refusal::SpecialAddress { address: [10, 0, 0, 5].into(), class: "private network" },
        Refusal::NoSuchName,
        Refusal::NoAnswer,
        Refusal::SniMissing,
        Refusal::SniMismatch { sni: "other.example".into() },
        Refusal::NotTls("what was sent is neither TLS nor HTTP"),
        Refusal::NotHttp("the first line is no HTTP/1.1 request line"),
        Refusal::AmbiguousFraming("a CONNECT request has no body"),
        Refusal::HostMismatch,
        Refusal::Upgrade,
        Refusal::Method("TRACE"),
        Refusal::TooManyConnections(64),
        Refusal::TooManyBytes(1 << 30),
        Refusal::BadRequest("the request has no Host header"),
        Refusal::BadHost(Host::parse("ex_ample.org").unwrap_err()),
        Refusal::BadAnswer("the server switches to another protocol, which nobody asked for"),
        Refusal::Unreachable(ErrorKind::ConnectionRefused),
        Refusal::Idle(Duration::from_secs(60)),
        Refusal::Slow(Duration::from_secs(10)),
        Refusal::Direct,
    ];
    let lines = refusals.iter().map(|refusal| format!("{}: {refusal}", refusal.word())).collect::<Vec<_>>();
    insta::assert_snapshot!(lines.join("\n"), @"");
}

#[test]
fn a_decision_is_a_sentence() {
    let decision = |host: &str, port, verdict| {
        Decision { host: host.into(), port, via: Via::Connect, address: None, verdict }.to_string()
    };
    let lines = [
        decision("example.org", 443, Ok(())),
        decision("example.org", 443, Err(Refusal::NotListed)),
        decision("2001:db8::1", 443, Err(Refusal::AddressLiteral)),
        decision("example.org", 0, Err(Refusal::Blocked)),
        decision("", 0, Err(Refusal::TooManyConnections(64))),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"");
    let ways = [Via::Http, Via::Connect, Via::Socks5, Via::Captured, Via::Dns, Via::Direct];
    assert_eq!(ways.map(Via::as_str), ["http", "connect", "socks5", "captured", "dns", "direct"]);
}
