//! A decision is on record before anything leaves; addresses are judged before they are used.

use codemode_types::NetworkPolicy;
use tokio::io::AsyncWriteExt;

use super::world::{World, assert_refused, head, policy, rest};

#[tokio::test]
async fn decisions_come_before_the_connection() {
    let mut world = World::new();
    world.log_decisions();
    world.answer("93.184.215.14:80", "HTTP/1.1 204 No Content\r\n\r\n").await;
    world.serve("93.184.215.14:443", |mut stream| async move { drop(rest(&mut stream).await) }).await;
    world.exchange(b"GET http://example.org/ HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    world.exchange(b"CONNECT example.org:443 HTTP/1.1\r\n\r\nx").await;
    assert_eq!(
        world.log(),
        [
            "resolve example.org",
            "http example.org:80 allowed 93.184.215.14",
            "dial 93.184.215.14:80",
            "resolve example.org",
            "connect example.org:443 allowed 93.184.215.14",
            "dial 93.184.215.14:443",
        ]
    );
}

#[tokio::test]
async fn nothing_leaves_when_nobody_takes_decisions() {
    let mut world = World::new();
    world.answer("93.184.215.14:80", "HTTP/1.1 204 No Content\r\n\r\n").await;
    world.drop_decisions();
    for request in ["GET http://example.org/ HTTP/1.1\r\n\r\n", "GET http://evil.example/ HTTP/1.1\r\n\r\n"] {
        assert_eq!(world.exchange(request.as_bytes()).await, "");
    }
    assert_eq!(world.log(), [""; 0]);
}

#[tokio::test]
async fn a_kept_connection_ends_with_who_takes_decisions() {
    let mut world = World::new();
    let requests = world.answer("93.184.215.14:80", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let mut stream = world.proxy().await;
    stream.write_all(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(head(&mut stream).await.is_some());
    world.drop_decisions();
    stream.write_all(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    assert_eq!(requests.all().len(), 1);
}

#[tokio::test]
async fn where_a_name_leads_is_judged_each_time() {
    let mut world = World::new();
    world.answer("93.184.215.14:80", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let request = b"GET http://example.org/ HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert!(world.exchange(request).await.starts_with("HTTP/1.1 204 "));
    for addresses in [
        &["127.0.0.1"][..],
        &["169.254.169.254"],
        &["10.1.2.3"],
        &["::1"],
        &["::ffff:10.1.2.3"],
        &["64:ff9b::7f00:1"],
        &["fd00::1"],
        &["93.184.215.14", "10.1.2.3"],
        &["10.1.2.3", "93.184.215.14"],
    ] {
        world.name("example.org", addresses);
        assert_refused(&world.exchange(request).await, 403, "special_address");
    }
    assert_eq!(world.log().iter().filter(|line| line.starts_with("dial")).count(), 1);
}

#[tokio::test]
async fn an_address_that_is_blocked_is_blocked_behind_a_name() {
    let mut world = World::with(&NetworkPolicy { blocked_domains: vec!["93.184.215.14".into()], ..policy() });
    assert_refused(&world.exchange(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n").await, 403, "blocked");
    world.decided(&["connect example.org:443 blocked"]).await;
    assert_eq!(world.log(), ["resolve example.org"]);
}

#[tokio::test]
async fn a_private_network_is_reached_by_name_if_it_is_allowed() {
    let mut world = World::with(&NetworkPolicy { allowed_networks: vec!["10.1.0.0/16".parse().unwrap()], ..policy() });
    world.name("api.example.net", &["10.1.2.3"]);
    world.answer("10.1.2.3:80", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let answer = world.exchange(b"GET http://api.example.net/ HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    world.decided(&["http api.example.net:80 allowed 10.1.2.3"]).await;
    assert_refused(&world.exchange(b"GET http://10.1.2.3/ HTTP/1.1\r\n\r\n").await, 403, "address_literal");
}
