//! Programs that know no proxy: the stub resolver, and connections to the addresses that it gives out.

use std::net::{Ipv4Addr, SocketAddrV4};

use codemode_egress::Service;
use codemode_types::NetworkPolicy;
use codemode_types::{PROXY_PORT, RESOLVER_PORT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    tls::{hello, record, server_names},
    world::{World, assert_refused, policy, rest},
};

/// What the stub says of a name: the response code, and the address if there is one.
async fn look_up(world: &World, name: &str) -> (u8, Option<Ipv4Addr>) {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    let question: Vec<u8> =
        [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0].into_iter().chain(labels).chain([0, 0, 1, 0, 1]).collect();
    let mut stream = world.resolver().await;
    stream.write_u16(question.len() as u16).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    let address = (answer[7] == 1).then(|| answer.last_chunk::<4>().map(|address| Ipv4Addr::from(*address)).unwrap());
    (answer[3] & 15, address)
}

async fn fake(world: &World, name: &str) -> Ipv4Addr {
    look_up(world, name).await.1.unwrap()
}

#[tokio::test]
async fn the_stub_gives_fake_addresses_and_asks_nobody() {
    let mut world = World::new();
    let address = fake(&world, "example.org").await;
    assert!(address.is_loopback() && address.octets()[1] > 0, "{address}");
    assert_eq!(fake(&world, "EXAMPLE.org").await, address);
    assert_ne!(fake(&world, "anything.example.net").await, address);
    world.decided_nothing();
    assert_eq!(look_up(&world, "secret.evil.example").await, (3, None));
    assert_eq!(look_up(&world, "blocked.example.net").await, (3, None));
    world.decided(&["dns secret.evil.example:0 not_listed", "dns blocked.example.net:0 blocked"]).await;
    assert_eq!(world.log(), [""; 0]);
}

#[tokio::test]
async fn a_connection_is_told_by_where_it_goes() {
    let mut world = World::new();
    let address = fake(&world, "example.org").await;
    let at = SocketAddrV4::new;
    assert_eq!(world.session.service(at(Ipv4Addr::LOCALHOST, PROXY_PORT)).await, Some(Service::Proxy));
    assert_eq!(world.session.service(at(Ipv4Addr::LOCALHOST, RESOLVER_PORT)).await, Some(Service::Resolver));
    assert_eq!(world.session.service(at(address, 443)).await, Some(Service::Captured));
    world.decided_nothing();
    let public = Ipv4Addr::new(93, 184, 215, 14);
    for (destination, decision) in [
        (at(address, 22), "direct example.org:22 port".to_owned()),
        (at(address, PROXY_PORT), "direct example.org:3128 port".to_owned()),
        (at(Ipv4Addr::new(127, 0, 0, 2), PROXY_PORT), "direct 127.0.0.2:3128 direct".to_owned()),
        (at(Ipv4Addr::LOCALHOST, 443), "direct 127.0.0.1:443 direct".to_owned()),
        (at(public, 443), format!("direct {public}:443 direct")),
        (at(Ipv4Addr::new(169, 254, 169, 254), 80), "direct 169.254.169.254:80 direct".to_owned()),
    ] {
        assert_eq!(world.session.service(destination).await, None);
        world.decided(&[&decision]).await;
    }
}

#[tokio::test]
async fn tls_goes_to_the_name_and_is_decided_on_once() {
    let mut world = World::new();
    world.serve("93.184.215.14:443", |mut stream| async move { stream.write_all(b"served").await.unwrap() }).await;
    let destination = SocketAddrV4::new(fake(&world, "example.org").await, 443);
    let name = |name: &[u8]| record(&hello(&[server_names(&[(0, name)])]));
    let table = [
        (name(b"example.org"), "served", "captured example.org:443 allowed 93.184.215.14"),
        (name(b"api.example.net"), "\u{15}\u{3}\u{3}\0\u{2}\u{2}1", "captured example.org:443 sni_mismatch"),
        (record(&hello(&[])), "\u{15}\u{3}\u{3}\0\u{2}\u{2}1", "captured example.org:443 sni_missing"),
        (b"SSH-2.0-x\r\n".to_vec(), "", "captured example.org:443 not_tls"),
    ];
    for (bytes, expected, decision) in table {
        let mut stream = world.captured(destination).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(rest(&mut stream).await, expected);
        world.decided(&[decision]).await;
    }
    assert_eq!(world.log(), ["resolve example.org", "dial 93.184.215.14:443"]);
}

#[tokio::test]
async fn http_goes_to_the_name_and_to_no_other() {
    let mut world = World::new();
    let requests = world.answer("93.184.215.14:80", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let destination = SocketAddrV4::new(fake(&world, "example.org").await, 80);
    let allowed = "captured example.org:80 allowed 93.184.215.14";
    let table = [
        ("GET /a HTTP/1.1\r\nHost: Example.org\r\nConnection: close\r\n\r\n", 200, allowed),
        ("GET http://example.org/b HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n", 200, allowed),
        ("GET / HTTP/1.1\r\nHost: api.example.net\r\n\r\n", 403, "host_mismatch"),
        ("GET / HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 403, "host_mismatch"),
        ("GET http://api.example.net/ HTTP/1.1\r\nHost: api.example.net\r\n\r\n", 403, "host_mismatch"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        ("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 400, "bad_request"),
        ("GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\r\n", 403, "upgrade"),
        (
            "GET / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "ambiguous_framing",
        ),
    ];
    for (request, status, expected) in table {
        let mut stream = world.captured(destination).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        if status == 200 {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            world.decided(&[expected]).await;
        } else {
            assert_refused(&answer, status, expected);
            world.decided(&[&format!("captured example.org:80 {expected}")]).await;
        }
    }
    assert_eq!(requests.all().len(), 2);
}

#[tokio::test]
async fn plain_http_on_another_port_names_it_in_its_host() {
    let mut world = World::with(&NetworkPolicy { ports: vec![8080], ..policy() });
    let requests = world.answer("93.184.215.14:8080", "HTTP/1.1 204 No Content\r\n\r\n").await;
    let destination = SocketAddrV4::new(fake(&world, "example.org").await, 8080);
    let mut stream = world.captured(destination).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org:8080\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 204 "));
    assert_eq!(requests.all(), ["GET / HTTP/1.1\r\nhost: example.org:8080\r\n\r\n"]);
    world.decided(&["captured example.org:8080 allowed 93.184.215.14"]).await;
}

#[tokio::test]
async fn an_address_that_nobody_was_given_leads_nowhere() {
    let mut world = World::new();
    let other = World::new();
    let foreign = fake(&other, "example.org").await;
    for address in [foreign, Ipv4Addr::new(127, 9, 9, 9), Ipv4Addr::new(93, 184, 215, 14)] {
        let mut stream = world.captured(SocketAddrV4::new(address, 443)).await;
        assert_eq!(rest(&mut stream).await, "");
        world.decided(&[&format!("captured {address}:443 direct")]).await;
    }
    assert_eq!(world.log(), [""; 0]);
}
