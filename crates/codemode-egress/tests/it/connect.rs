//! CONNECT, and what may go through the tunnel.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    tls::{Identity, hello, record, records, server_names},
    world::{World, assert_refused, head, rest},
};

const ORIGIN: &str = "93.184.215.14:443";
const ALLOWED: &str = "connect example.org:443 allowed 93.184.215.14";
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];

/// A tunnel that was granted.
async fn tunnel(world: &World, target: &str) -> TcpStream {
    let mut stream = world.proxy().await;
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes()).await.unwrap();
    let answer = head(&mut stream).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\n");
    stream
}

/// A server that keeps what it gets, and every connection to it.
async fn silent(world: &mut World, address: &str) -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, received) = tokio::sync::mpsc::channel(16);
    world
        .serve(address, move |mut stream| {
            let sender = sender.clone();
            async move {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap_or_default();
                sender.send(bytes).await.unwrap();
            }
        })
        .await;
    received
}

#[tokio::test]
async fn tls_for_the_host_goes_through() {
    let mut world = World::new();
    let identity = Identity::new(&["example.org"]);
    let acceptor = identity.acceptor();
    world
        .serve(ORIGIN, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let (mut reader, mut writer) = tokio::io::split(&mut stream);
                tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                writer.shutdown().await.unwrap();
            }
        })
        .await;
    // In records of any size: the name is found in each.
    for fragment in [None, Some(64), Some(4096)] {
        let stream = tunnel(&world, "Example.ORG.:443").await;
        let mut stream = identity.connect(stream, "example.org", fragment).await.unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let sending = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let ((), count) = tokio::join!(sending, reader.read_to_end(&mut received));
        count.unwrap();
        assert!(received == sent);
        world.decided(&[ALLOWED]).await;
    }
    world.decided_nothing();
}

#[tokio::test]
async fn a_hello_for_another_server_ends_the_tunnel() {
    let mut world = World::new();
    let mut received = silent(&mut world, ORIGIN).await;
    let name = |name: &str| record(&hello(&[server_names(&[(0, name.as_bytes())])]));
    let table = [
        (name("evil.example"), "sni_mismatch"),
        (name("api.example.net"), "sni_mismatch"),
        (name("www.example.org"), "sni_mismatch"),
        (name("example.org.evil.example"), "sni_mismatch"),
        (name("93.184.215.14"), "sni_mismatch"),
        (record(&hello(&[])), "sni_missing"),
        (name("example.org\0.evil.example"), "not_tls"),
        (name("[example.org]"), "not_tls"),
        (name(""), "not_tls"),
        (record(&hello(&[server_names(&[])])), "not_tls"),
        (record(&hello(&[server_names(&[(0, b"example.org"), (0, b"evil.example")])])), "not_tls"),
        (record(&hello(&[server_names(&[(0, b"example.org"), (1, b"evil.example")])])), "not_tls"),
        (record(&hello(&[server_names(&[(1, b"x"), (0, b"example.org")])])), "not_tls"),
        (record(&hello(&[server_names(&[(0, b"example.org")]), server_names(&[(0, b"example.org")])])), "not_tls"),
        (record(&hello(&[server_names(&[(0, b"example.org")]), server_names(&[(0, b"evil.example")])])), "not_tls"),
        // Another message behind it in the same record.
        (record(&[hello(&[server_names(&[(0, b"example.org")])]), hello(&[])].concat()), "not_tls"),
        // A handshake, but not its beginning.
        (record(&[2, 0, 0, 2, 3, 3]), "not_tls"),
        // A length that lies.
        (record(&[1, 0xff, 0xff, 0xff, 3, 3]), "not_tls"),
        ([&[22, 3, 1, 0xff, 0xff][..], &[0; 33_000]].concat(), "not_tls"),
    ];
    for (hello, word) in table {
        let mut stream = tunnel(&world, "example.org:443").await;
        let _ = stream.write_all(&hello).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, ALERT, "{}", hello.escape_ascii());
        world.decided(&[ALLOWED, &format!("connect example.org:443 {word}")]).await;
        assert_eq!(received.recv().await.unwrap(), b"", "nothing reached the server");
    }
    // The next connection is judged by itself.
    let mut stream = tunnel(&world, "example.org:443").await;
    stream.write_all(&name("example.org")).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(received.recv().await.unwrap(), name("example.org"));
}

#[tokio::test]
async fn a_hello_may_come_in_pieces() {
    let mut world = World::new();
    let mut received = silent(&mut world, ORIGIN).await;
    let message = hello(&[server_names(&[(0, b"EXAMPLE.org")])]);
    for longest in [1, 7, message.len() - 1] {
        let bytes = records(&message, longest);
        let mut stream = tunnel(&world, "example.org:443").await;
        stream.set_nodelay(true).unwrap();
        for piece in bytes.chunks(5) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        stream.shutdown().await.unwrap();
        assert_eq!(received.recv().await.unwrap(), bytes);
        world.decided(&[ALLOWED]).await;
    }
    // What a client sends right behind it, such as early data, is the server's business.
    let bytes = [record(&message), vec![20, 3, 3, 0, 1, 1, 23, 3, 3, 1, 0, 9, 9]].concat();
    let mut stream = tunnel(&world, "example.org:443").await;
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(received.recv().await.unwrap(), bytes);
    world.decided(&[ALLOWED]).await;
    // One that names another host is not let through because it is in pieces.
    let bytes = records(&hello(&[server_names(&[(0, b"evil.example")])]), 3);
    let mut stream = tunnel(&world, "example.org:443").await;
    stream.write_all(&bytes).await.unwrap();
    rest(&mut stream).await;
    world.decided(&[ALLOWED, "connect example.org:443 sni_mismatch"]).await;
    assert_eq!(received.recv().await.unwrap(), b"");
}

#[tokio::test]
async fn bytes_behind_the_request_are_the_tunnels_first() {
    let mut world = World::new();
    let mut received = silent(&mut world, ORIGIN).await;
    let bytes = record(&hello(&[server_names(&[(0, b"example.org")])]));
    let mut stream = world.proxy().await;
    stream.write_all(&[b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", &bytes[..]].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(received.recv().await.unwrap(), bytes);
    assert_eq!(rest(&mut stream).await, "HTTP/1.1 200 OK\r\n\r\n");
    world.decided(&[ALLOWED]).await;
}

#[tokio::test]
async fn plaintext_in_a_tunnel_is_refused() {
    let mut world = World::new();
    let mut received = silent(&mut world, ORIGIN).await;
    for plaintext in ["GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "\0"] {
        let mut stream = tunnel(&world, "example.org:443").await;
        stream.write_all(plaintext.as_bytes()).await.unwrap();
        assert_refused(&rest(&mut stream).await, 403, "not_tls");
        world.decided(&[ALLOWED, "connect example.org:443 not_tls"]).await;
        assert_eq!(received.recv().await.unwrap(), b"");
    }
    // Together with the request, too.
    let answer =
        world.exchange(b"CONNECT example.org:443 HTTP/1.1\r\n\r\nGET http://evil.example/ HTTP/1.1\r\n\r\n").await;
    assert_refused(answer.strip_prefix("HTTP/1.1 200 OK\r\n\r\n").unwrap(), 403, "not_tls");
    world.decided(&[ALLOWED, "connect example.org:443 not_tls"]).await;
}

#[tokio::test]
async fn targets_that_may_not_be_are_refused_before_anything_is_asked() {
    let mut world = World::new();
    let table = [
        ("evil.example:443", 403, "not_listed"),
        ("example.org.evil.example:443", 403, "not_listed"),
        ("notexample.org:443", 403, "not_listed"),
        ("example.net:443", 403, "not_listed"),
        ("notexample.net:443", 403, "not_listed"),
        ("xn--bcher-kva.example.org:443", 403, "not_listed"),
        ("blocked.example.net:443", 403, "blocked"),
        ("BLOCKED.example.net.:443", 403, "blocked"),
        ("example.org:22", 403, "port"),
        ("example.org:0", 403, "port"),
        ("93.184.215.14:443", 403, "address_literal"),
        ("127.0.0.1:443", 403, "address_literal"),
        ("[::1]:443", 403, "address_literal"),
        ("[::ffff:93.184.215.14]:443", 403, "address_literal"),
        ("example.org", 400, "bad_request"),
        ("example.org:", 400, "bad_request"),
        ("example.org:443:443", 400, "bad_request"),
        ("example.org:+443", 400, "bad_request"),
        ("example.org:65536", 400, "bad_request"),
        ("user@example.org:443", 400, "bad_request"),
        ("example.org@evil.example:443", 400, "bad_request"),
        ("example..org:443", 400, "bad_request"),
        (".example.org:443", 400, "bad_request"),
        ("example.org..:443", 400, "bad_request"),
        ("*.example.net:443", 400, "bad_request"),
        ("%65xample.org:443", 400, "bad_request"),
        ("[example.org]:443", 400, "bad_request"),
        ("[[::1]]:443", 400, "bad_request"),
        ("[::1%eth0]:443", 400, "bad_request"),
        ("::1:443", 400, "bad_request"),
        ("127.1:443", 400, "bad_request"),
        ("0177.0.0.1:443", 400, "bad_request"),
        ("2130706433:443", 400, "bad_request"),
        ("0x7f000001:443", 400, "bad_request"),
        ("http://example.org:443/", 400, "bad_request"),
        ("example.org:443/path", 400, "bad_request"),
        ("/", 400, "bad_request"),
    ];
    for (target, status, word) in table {
        let answer = world.exchange(format!("CONNECT {target} HTTP/1.1\r\nHost: example.org\r\n\r\n").as_bytes()).await;
        assert_refused(&answer, status, word);
        assert_eq!(world.decision().await.verdict.unwrap_err().word(), word, "{target}");
    }
    assert_eq!(world.log(), [""; 0]);
}

#[tokio::test]
async fn patterns_cover_what_they_say() {
    let mut world = World::new();
    world.name("a.b.example.net", &["93.184.215.17"]);
    let table = [
        ("api.example.net:443", "connect api.example.net:443 allowed 93.184.215.15"),
        ("a.b.example.net:443", "connect a.b.example.net:443 allowed 93.184.215.17"),
        ("XN--BCHER-KVA.example:443", "connect xn--bcher-kva.example:443 allowed 93.184.215.16"),
    ];
    for (target, decision) in table {
        let answer = world.exchange(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).await;
        // Nobody is there, which shows that it was dialled.
        assert_refused(&answer, 502, "unreachable");
        world.decided(&[decision]).await;
        assert_eq!(world.decision().await.verdict.unwrap_err().word(), "unreachable");
    }
}

#[tokio::test]
async fn non_ascii_and_control_bytes_are_never_reflected() {
    let mut world = World::new();
    for target in ["b\u{fc}cher.example:443", "example.org\x1b[2J:443", "example.org\r:443", "\u{202e}gro.elpmaxe:443"]
    {
        let answer = world.exchange(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.bytes().all(|byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "{answer:?}");
        assert_eq!(world.decision().await.verdict.unwrap_err().word(), "bad_request");
    }
    assert_eq!(world.log(), [""; 0]);
}
