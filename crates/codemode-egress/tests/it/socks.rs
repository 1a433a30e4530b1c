//! SOCKS5 through the proxy's port.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    tls::{hello, record, server_names},
    world::{World, assert_refused, policy, rest},
};

const GREETING: &[u8] = &[5, 1, 0];

fn by_name(name: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, 3, name.len() as u8], name, &port.to_be_bytes()].concat()
}

fn by_address(kind: u8, address: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, kind], address, &port.to_be_bytes()].concat()
}

/// The reply's code, with the connection.
async fn ask(world: &World, request: &[u8]) -> (u8, TcpStream) {
    let mut stream = world.proxy().await;
    stream.write_all(&[GREETING, request].concat()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!((&answer[..3], &answer[4..]), (&[5, 0, 5][..], &[0, 1, 0, 0, 0, 0, 0, 0][..]));
    (answer[3], stream)
}

#[tokio::test]
async fn what_is_listed_is_connected_to() {
    let mut world = World::with(&codemode_types::NetworkPolicy {
        allowed_domains: ["example.org", "198.51.99.7", "2606:4700::1"].map(str::to_owned).into(),
        ..policy()
    });
    for address in ["93.184.215.14:443", "198.51.99.7:443", "[2606:4700::1]:443"] {
        world.serve(address, |mut stream| async move { stream.write_all(b"served").await.unwrap() }).await;
    }
    let named = record(&hello(&[server_names(&[(0, b"example.org")])]));
    let unnamed = record(&hello(&[]));
    let v6: std::net::Ipv6Addr = "2606:4700::1".parse().unwrap();
    let table = [
        (by_name(b"Example.ORG.", 443), &named, "socks5 example.org:443 allowed 93.184.215.14"),
        (by_name(b"198.51.99.7", 443), &unnamed, "socks5 198.51.99.7:443 allowed 198.51.99.7"),
        (by_address(1, &[198, 51, 99, 7], 443), &unnamed, "socks5 198.51.99.7:443 allowed 198.51.99.7"),
        (by_address(4, &v6.octets(), 443), &unnamed, "socks5 2606:4700::1:443 allowed 2606:4700::1"),
    ];
    for (request, first, decision) in table {
        let (code, mut stream) = ask(&world, &request).await;
        assert_eq!(code, 0);
        stream.write_all(first).await.unwrap();
        assert_eq!(rest(&mut stream).await, "served");
        world.decided(&[decision]).await;
    }
    // An address has no name, so a handshake with one is for somebody else.
    let (_, mut stream) = ask(&world, &by_address(1, &[198, 51, 99, 7], 443)).await;
    stream.write_all(&record(&hello(&[server_names(&[(0, b"198.51.99.7")])]))).await.unwrap();
    assert_ne!(rest(&mut stream).await, "served");
    world.decided(&["socks5 198.51.99.7:443 allowed 198.51.99.7", "socks5 198.51.99.7:443 sni_mismatch"]).await;
}

#[tokio::test]
async fn requests_are_refused_with_the_right_reply() {
    let mut world = World::new();
    world.name("private.example.net", &["10.0.0.5"]);
    world.name("mixed.example.net", &["93.184.215.15", "169.254.169.254"]);
    let table: [(Vec<u8>, u8, &str); 21] = [
        (by_name(b"evil.example", 443), 2, "socks5 evil.example:443 not_listed"),
        (by_name(b"blocked.example.net", 443), 2, "socks5 blocked.example.net:443 blocked"),
        (by_name(b"example.org", 25), 2, "socks5 example.org:25 port"),
        (by_name(b"example.org\0.evil.example", 443), 2, "socks5 example.org\\u{0}.evil.example:443 bad_request"),
        (by_name(b"evil.example\0.example.net", 443), 2, "socks5 evil.example\\u{0}.example.net:443 bad_request"),
        (by_name(b"[::1]", 443), 2, "socks5 ::1:443 address_literal"),
        (by_name(b"127.1", 443), 2, "socks5 127.1:443 bad_request"),
        (by_name(b"a@example.org", 443), 2, "socks5 a@example.org:443 bad_request"),
        (by_name(b"example.org:443", 443), 2, "socks5 example.org:443:443 bad_request"),
        (by_name(b"\xff\xfe", 443), 1, "socks5 :443 bad_request"),
        (by_name(b"", 443), 2, "socks5 :443 bad_request"),
        (by_name(&[b'a'; 255], 443), 2, ""),
        (by_address(1, &[93, 184, 215, 14], 443), 2, "socks5 93.184.215.14:443 address_literal"),
        (by_address(4, &[0; 16], 443), 2, "socks5 :::443 address_literal"),
        (by_name(b"missing.example.net", 443), 4, "socks5 missing.example.net:443 no_such_name"),
        (by_name(b"private.example.net", 443), 2, "socks5 private.example.net:443 special_address"),
        (by_name(b"mixed.example.net", 443), 2, "socks5 mixed.example.net:443 special_address"),
        (by_address(9, &[1, 2, 3, 4], 443), 8, "socks5 :0 bad_request"),
        ([5, 2, 0, 1, 93, 184, 215, 14, 0, 80].to_vec(), 7, "socks5 93.184.215.14:80 method"),
        ([5, 3, 0, 1, 0, 0, 0, 0, 0, 0].to_vec(), 7, "socks5 0.0.0.0:0 method"),
        ([5, 1, 1, 1, 93, 184, 215, 14, 0, 80].to_vec(), 1, "socks5 :0 bad_request"),
    ];
    for (request, expected, decision) in table {
        let (code, mut stream) = ask(&world, &request).await;
        assert_eq!((code, rest(&mut stream).await.as_str()), (expected, ""), "{}", request.escape_ascii());
        let found = world.decision().await;
        assert!(found.host.is_ascii() && found.host.len() <= 800, "{found:?}");
        if !decision.is_empty() {
            assert_eq!(super::world::line(&found), decision);
        }
    }
    assert!(world.log().iter().all(|line| line.starts_with("resolve ") && line.ends_with(".example.net")));
}

#[tokio::test]
async fn nobody_there_is_said() {
    let mut world = World::new();
    let (code, _) = ask(&world, &by_name(b"example.org", 443)).await;
    assert_eq!(code, 5);
    world.decided(&["socks5 example.org:443 allowed 93.184.215.14", "socks5 example.org:443 unreachable"]).await;
}

#[tokio::test]
async fn http_over_socks_stays_with_its_host() {
    let mut world = World::new();
    let requests = world.answer("93.184.215.14:80", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (_, mut stream) = ask(&world, &by_name(b"example.org", 80)).await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: example.org\r\n\r\nGET /b HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    let (first, second) = answer.split_at(answer.rfind("HTTP/1.1 ").unwrap());
    assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with("ok"), "{first}");
    assert_refused(second, 403, "host_mismatch");
    assert_eq!(requests.all(), ["GET /a HTTP/1.1\r\nhost: example.org\r\n\r\n"]);
    let allowed = "socks5 example.org:80 allowed 93.184.215.14";
    world.decided(&[allowed, allowed, "socks5 example.org:80 host_mismatch"]).await;
    assert_eq!(world.log(), ["resolve example.org", "dial 93.184.215.14:80"], "the connection of the reply is used");
}

#[tokio::test]
async fn neither_tls_nor_http_is_refused() {
    let mut world = World::new();
    world.serve("93.184.215.14:443", |mut stream| async move { assert_eq!(rest(&mut stream).await, "") }).await;
    for bytes in [&b"SSH-2.0-OpenSSH_9.9\r\n"[..], b"\0\0\0\x08\x04\xd2\x16\x2f", b"quit\r\n", &[b'A'; 20]] {
        let (_, mut stream) = ask(&world, &by_name(b"example.org", 443)).await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(rest(&mut stream).await, "");
        world.decided(&["socks5 example.org:443 allowed 93.184.215.14", "socks5 example.org:443 not_tls"]).await;
    }
}

#[tokio::test]
async fn other_versions_and_authentication_are_refused() {
    let mut world = World::new();
    assert_eq!(world.exchange(&record(&hello(&[]))).await, "");
    world.decided(&["http :0 not_http"]).await;
    assert_eq!(world.exchange(&[4, 1, 0, 80, 93, 184, 215, 14, 0]).await, "");
    world.decided(&["socks5 :0 bad_request"]).await;
    let mut stream = world.proxy().await;
    stream.write_all(&[5, 2, 1, 2]).await.unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [5, 0xff]);
    rest(&mut stream).await;
    world.decided(&["socks5 :0 bad_request"]).await;
}
