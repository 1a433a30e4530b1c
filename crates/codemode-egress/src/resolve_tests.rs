#[path = "resolve_tests/server.rs"]
mod server;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use codemode_types::domain::Host;
use hickory_proto::op::ResponseCode;
use server::{Answer, Server, record};
use tokio::time::Instant;

use super::*;
use crate::dial::{DialError, Dialer, SystemConnect};

const PUBLIC: &str = "93.184.215.14";

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn resolve(server: &Server, text: &str) -> Result<Vec<IpAddr>, ResolveError> {
    Resolver::with_servers(&[server.address]).resolve(&name(text)).await
}

async fn refused(server: &Server, text: &str) -> IpAddr {
    let dialer = Dialer::new(Arc::new(Resolver::with_servers(&[server.address])), Arc::new(SystemConnect));
    match dialer.lookup(&Host::Name(name(text)), &[]).await {
        Err(DialError::Special { address, .. }) => address,
        other => panic!("{text}: {other:?}"),
    }
}

fn none() -> Answer {
    Answer::Records(Vec::new())
}

#[tokio::test]
async fn a_name_is_asked_for_as_it_is_in_both_families() {
    let server = Server::start(|name, family| match family {
        RecordType::A => Answer::Records(vec![record(name, 60, PUBLIC), record(name, 60, "93.184.215.15")]),
        RecordType::AAAA => Answer::Records(vec![record(name, 60, "2600:1f18::1")]),
        _ => none(),
    })
    .await;
    let resolver = Resolver::with_servers(&[server.address]);
    for text in ["example.com", "intranet", "a.b.c.d.e.f.example"] {
        let mut found = resolver.resolve(&name(text)).await.unwrap();
        found.sort();
        assert_eq!(found, ips(&[PUBLIC, "93.184.215.15", "2600:1f18::1"]), "{text}");
    }
    let names = ["a.b.c.d.e.f.example.", "example.com.", "intranet."];
    let expected = names.map(|name| [(name.to_owned(), RecordType::A), (name.to_owned(), RecordType::AAAA)]);
    assert_eq!(server.asked(), expected.concat());
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_says() {
    let server = Server::start(|name, family| match family {
        RecordType::A => Answer::Records(vec![record(name, if name.starts_with("kept") { 60 } else { 0 }, PUBLIC)]),
        _ => none(),
    })
    .await;
    let resolver = Resolver::with_servers(&[server.address]);
    for text in ["kept.example", "kept.example", "fresh.example", "fresh.example"] {
        assert_eq!(resolver.resolve(&name(text)).await, Ok(ips(&[PUBLIC])));
    }
    let asked = server.asked();
    let count = |name: &str| asked.iter().filter(|asked| **asked == (name.to_owned(), RecordType::A)).count();
    assert_eq!((count("kept.example."), count("fresh.example.")), (1, 2));
}

#[tokio::test]
async fn an_alias_is_followed_to_the_address_that_counts() {
    let server = Server::start(|name, family| match (name, family) {
        // The whole chain in one answer, and a chain that has to be asked for.
        ("whole.example.", RecordType::A) => Answer::Records(vec![
            record(name, 60, "middle.example."),
            record("middle.example.", 60, "end.example."),
            record("end.example.", 60, "10.0.0.5"),
        ]),
        ("parts.example.", _) => Answer::Records(vec![record(name, 60, "metadata.example.")]),
        ("metadata.example.", RecordType::A) => Answer::Records(vec![record(name, 60, "169.254.169.254")]),
        ("public.example.", RecordType::A) => {
            Answer::Records(vec![record(name, 60, "host.example."), record("host.example.", 60, PUBLIC)])
        }
        _ => none(),
    })
    .await;
    assert_eq!(refused(&server, "whole.example").await, ips(&["10.0.0.5"])[0]);
    assert_eq!(refused(&server, "parts.example").await, ips(&["169.254.169.254"])[0]);
    assert_eq!(resolve(&server, "public.example").await, Ok(ips(&[PUBLIC])));
}

#[tokio::test]
async fn an_alias_that_leads_to_itself_ends() {
    let server = Server::start(|name, _| {
        let target = if name.starts_with("one") { "two.example." } else { "one.example." };
        Answer::Records(vec![record(name, 60, target)])
    })
    .await;
    assert!(resolve(&server, "one.example").await.is_err());
}

#[tokio::test]
async fn an_answer_that_mixes_is_refused_across_the_families_too() {
    let server = Server::start(|name, family| match family {
        RecordType::A => Answer::Records(vec![record(name, 60, PUBLIC)]),
        RecordType::AAAA => Answer::Records(vec![record(name, 60, "::ffff:10.0.0.1")]),
        _ => none(),
    })
    .await;
    assert_eq!(refused(&server, "mixed.example").await, ips(&["::ffff:10.0.0.1"])[0]);
}

#[tokio::test]
async fn an_answer_that_turns_private_is_refused_when_it_has() {
    let turned = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&turned);
    let server = Server::start(move |name, family| match family {
        RecordType::A => {
            Answer::Records(vec![record(name, 0, if flag.load(Ordering::Relaxed) { "127.0.0.1" } else { PUBLIC })])
        }
        _ => none(),
    })
    .await;
    let dialer = Dialer::new(Arc::new(Resolver::with_servers(&[server.address])), Arc::new(SystemConnect));
    let host = Host::Name(name("rebinding.example"));
    assert_eq!(dialer.lookup(&host, &[]).await.unwrap().addresses(), ips(&[PUBLIC]));
    turned.store(true, Ordering::Relaxed);
    assert!(matches!(dialer.lookup(&host, &[]).await, Err(DialError::Special { .. })));
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp() {
    let server = Server::start(|name, family| match family {
        RecordType::A => {
            Answer::Truncated((1..=200).map(|host| record(name, 60, &format!("93.184.215.{host}"))).collect())
        }
        _ => none(),
    })
    .await;
    assert_eq!(resolve(&server, "many.example").await.unwrap().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_slow_aliases_costs_a_bounded_time() {
    let asked: Mutex<HashMap<(String, RecordType), u32>> = Mutex::default();
    let server = Server::start(move |name, family| {
        // Each one answers when it has been asked some times.
        let mut asked = asked.lock().unwrap();
        let count = asked.entry((name.to_owned(), family)).or_default();
        *count += 1;
        if *count < 4 {
            return Answer::Silence;
        }
        Answer::Records(vec![record(name, 60, &format!("a{name}"))])
    })
    .await;
    let start = Instant::now();
    assert_eq!(resolve(&server, "slow.example").await, Err(ResolveError::TimedOut));
    assert!(start.elapsed() <= LOOKUP_TIMEOUT);
}

#[tokio::test]
async fn what_is_missing_and_what_failed_are_told_apart() {
    let server = Server::start(|name, family| match (name, family) {
        ("none.example.", _) => Answer::Code(ResponseCode::NXDomain),
        ("empty.example.", _) => none(),
        ("half.example.", RecordType::A) => Answer::Records(vec![record(name, 60, PUBLIC)]),
        _ => Answer::Code(ResponseCode::ServFail),
    })
    .await;
    assert_eq!(resolve(&server, "none.example").await, Err(ResolveError::NoSuchName));
    assert_eq!(resolve(&server, "empty.example").await, Err(ResolveError::NoSuchName));
    assert_eq!(resolve(&server, "half.example").await, Ok(ips(&[PUBLIC])));
    assert!(matches!(resolve(&server, "broken.example").await, Err(ResolveError::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_costs_a_bounded_time() {
    let server = Server::start(|_, _| Answer::Silence).await;
    let start = Instant::now();
    assert_eq!(resolve(&server, "silent.example").await, Err(ResolveError::TimedOut));
    assert!(start.elapsed() <= LOOKUP_TIMEOUT);
}

#[tokio::test]
async fn a_family_that_is_never_answered_does_not_cost_the_other_one() {
    let silent = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&silent);
    let server = Server::start(move |name, family| match family {
        RecordType::A => Answer::Records(vec![record(name, 60, PUBLIC)]),
        _ if flag.load(Ordering::Relaxed) => Answer::Silence,
        _ => Answer::Code(ResponseCode::ServFail),
    })
    .await;
    let resolver = Resolver::with_servers(&[server.address]);
    assert_eq!(resolver.resolve(&name("half.example")).await, Ok(ips(&[PUBLIC])));
    silent.store(true, Ordering::Relaxed);
    // From here on one family is known and the other one silent, so nothing but the clock is waited for.
    tokio::time::pause();
    assert_eq!(resolver.resolve(&name("half.example")).await, Ok(ips(&[PUBLIC])));
}

#[tokio::test]
async fn the_hosts_file_counts_before_dns_and_a_change_of_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
    fs::write(&hosts, "# comment\n10.1.2.3 Api.Internal api\n").unwrap();
    let resolver = Resolver::with_files(&resolv_conf, &hosts);
    assert_eq!(resolver.resolve(&name("api.internal")).await, Ok(ips(&["10.1.2.3"])));
    assert_eq!(resolver.resolve(&name("api")).await, Ok(ips(&["10.1.2.3"])));

    fs::write(&hosts, "10.1.2.4 api.internal\nfd12::7 api.internal\n").unwrap();
    assert_eq!(resolver.resolve(&name("api.internal")).await, Ok(ips(&["fd12::7", "10.1.2.4"])));

    let Err(ResolveError::Failed(text)) = resolver.resolve(&name("api")).await else { panic!("the entry is gone") };
    assert!(text.contains("resolv.conf") && text.contains("nameserver"), "{text}");
    fs::remove_file(&hosts).unwrap();
    assert!(resolver.resolve(&name("api.internal")).await.is_err());
}
