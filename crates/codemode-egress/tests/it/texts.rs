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
    insta::assert_snapshot!(lines.join("\n"), @r"
    not_listed: the name is not in network.allowed_domains
    blocked: it is in network.blocked_domains
    port: port 22 is not in network.ports
    address_literal: an address without a name is only reached if it is in network.allowed_domains itself; use the name
    special_address: it leads to 10.0.0.5 (private network); only private networks can be allowed, in network.allowed_networks
    no_such_name: the name does not exist or has no address
    no_answer: the executor's resolver gave no answer
    sni_missing: the TLS handshake names no server (SNI), so it cannot be compared with the host
    sni_mismatch: the TLS handshake is for another server (SNI other.example)
    not_tls: what was sent is neither TLS nor HTTP
    not_http: the first line is no HTTP/1.1 request line
    ambiguous_framing: a CONNECT request has no body
    host_mismatch: the Host header names another host than the connection or the URL
    upgrade: protocol upgrades (WebSocket, h2c) are not allowed in plain HTTP; use TLS
    method: the method TRACE is not allowed
    too_many_connections: 64 connections are open already (network.max_connections)
    too_many_bytes: the execution has used up its 1073741824 bytes of traffic (network.max_bytes)
    bad_request: the request has no Host header
    bad_request: its host `ex_ample.org` has a `_`, which no host name has; write the name of the host itself
    bad_answer: the server switches to another protocol, which nobody asked for
    unreachable: no connection to it (connection refused)
    idle: no byte has passed for 60 s (network.idle_timeout)
    slow: its first bytes did not arrive within 10 s
    direct: connections go through the proxy in HTTPS_PROXY, or to a name of network.allowed_domains on a port of network.ports; not straight to an address
    ");
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
    insta::assert_snapshot!(lines.join("\n"), @r"
    example.org:443 is allowed
    example.org:443 is refused: the name is not in network.allowed_domains
    [2001:db8::1]:443 is refused: an address without a name is only reached if it is in network.allowed_domains itself; use the name
    example.org is refused: it is in network.blocked_domains
    the connection is refused: 64 connections are open already (network.max_connections)
    ");
    let ways = [Via::Http, Via::Connect, Via::Socks5, Via::Captured, Via::Dns, Via::Direct];
    assert_eq!(ways.map(Via::as_str), ["http", "connect", "socks5", "captured", "dns", "direct"]);
}
