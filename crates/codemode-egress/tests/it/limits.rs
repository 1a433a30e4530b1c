//! What a session may use up, and its end.

use std::{sync::Arc, time::Duration};

use codemode_types::NetworkPolicy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
};

use super::{
    tls::{hello, record, server_names},
    world::{World, assert_refused, head, policy, rest},
};

const SERVER: &str = "93.184.215.14:443";
const ORIGIN: &str = "93.184.215.14:80";
const ALLOWED: &str = "connect example.org:443 allowed 93.184.215.14";

fn first() -> Vec<u8> {
    record(&hello(&[server_names(&[(0, b"example.org")])]))
}

/// A tunnel through which the first bytes went.
async fn tunnel(world: &World) -> TcpStream {
    let mut stream = world.proxy().await;
    stream.write_all(b"CONNECT example.org:443 HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(head(&mut stream).await.unwrap().starts_with("HTTP/1.1 200 "));
    stream.write_all(&first()).await.unwrap();
    stream
}

#[tokio::test]
async fn connections_over_the_limit_are_told_so() {
    let mut world = World::with(&NetworkPolicy { max_connections: 2, ..policy() });
    world.serve(SERVER, |mut stream| async move { drop(rest(&mut stream).await) }).await;
    let tunnels = [tunnel(&world).await, tunnel(&world).await];
    world.decided(&[ALLOWED, ALLOWED]).await;
    assert_refused(&world.exchange(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await, 503, "too_many_connections");
    world.decided(&["http :0 too_many_connections"]).await;
    let socks = [&[5, 1, 0, 5, 1, 0, 3, 11][..], b"example.org", &[1, 187]].concat();
    assert_eq!(world.exchange(&socks).await.as_bytes(), [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    world.decided(&["socks5 example.org:443 too_many_connections"]).await;
    let mut captured = world.captured("127.1.2.3:443".parse().unwrap()).await;
    assert_eq!(rest(&mut captured).await, "");
    world.decided(&["captured 127.1.2.3:443 too_many_connections"]).await;
    // The resolver has places of its own.
    drop(world.resolver().await);
    // A flood is not told one by one.
    let mut flood = Vec::new();
    for _ in 0..64 {
        flood.push(world.proxy().await);
    }
    let mut closed = 0;
    for stream in &mut flood[16..] {
        closed += usize::from(rest(stream).await.is_empty());
    }
    assert_eq!(closed, 48);
    drop((tunnels, flood));
}

#[tokio::test]
async fn a_place_is_free_again_after_its_connection() {
    let mut world = World::with(&NetworkPolicy { max_connections: 1, ..policy() });
    world.answer(ORIGIN, "HTTP/1.1 204 No Content\r\n\r\n").await;
    for _ in 0..5 {
        // The proxy sees the end of the one before at its own turn.
        loop {
            let answer = world.exchange(b"GET http://example.org/ HTTP/1.1\r\nConnection: close\r\n\r\n").await;
            let decision = world.decision().await;
            if answer.starts_with("HTTP/1.1 204 ") {
                assert_eq!(decision.verdict, Ok(()));
                break;
            }
            assert_refused(&answer, 503, "too_many_connections");
        }
    }
}

#[tokio::test]
async fn bytes_are_counted_over_all_connections() {
    // The second is far into what goes through a pipe.
    for limit in [100_000, 5_000_001] {
        bytes_are_counted(limit).await;
    }
}

async fn bytes_are_counted(limit: u64) {
    let mut world = World::with_bytes(limit);
    let (sender, mut counts) = mpsc::channel(16);
    world
        .serve(SERVER, move |mut stream| {
            let sender = sender.clone();
            async move {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                sender.send(bytes.len()).await.unwrap();
            }
        })
        .await;
    world.answer(ORIGIN, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert!(world.exchange(b"GET http://example.org/ HTTP/1.1\r\nConnection: close\r\n\r\n").await.ends_with("ok"));
    world.decided(&["http example.org:80 allowed 93.184.215.14"]).await;
    let mut one = tunnel(&world).await;
    let mut other = tunnel(&world).await;
    world.decided(&[ALLOWED, ALLOWED]).await;
    let chunk = [0; 10_000];
    while one.write_all(&chunk).await.is_ok() {}
    assert_eq!(rest(&mut one).await, "");
    assert_eq!(rest(&mut other).await, "", "the other one, which was quiet, is closed too");
    let over = "connect example.org:443 too_many_bytes";
    world.decided(&[over, over]).await;
    let through = counts.recv().await.unwrap() + counts.recv().await.unwrap();
    let request =
        b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n".len() + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".len();
    assert_eq!((through + request) as u64, limit, "to the byte");
    assert_refused(&world.exchange(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await, 503, "too_many_bytes");
}

#[tokio::test]
async fn an_endless_answer_ends_with_the_bytes() {
    let mut world = World::with_bytes(300_000);
    let flood = |mut stream: TcpStream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    };
    world.serve(ORIGIN, flood).await;
    let answer = world.exchange(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() < 400_000, "{}", answer.len());
    world.decided(&["http example.org:80 allowed 93.184.215.14", "http example.org:80 too_many_bytes"]).await;
}

#[tokio::test]
async fn answers_that_are_none_are_not_passed_on() {
    let mut world = World::new();
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let table = [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        long.leak(),
        many.leak(),
    ];
    for (number, answer) in table.into_iter().enumerate() {
        let address = format!("93.184.215.{}", 100 + number);
        let name = format!("bad{number}.example.net");
        world.name(&name, &[&address]);
        world
            .serve(&format!("{address}:80"), move |mut stream| async move {
                head(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                rest(&mut stream).await;
            })
            .await;
        let request = format!("GET http://{name}/ HTTP/1.1\r\n\r\n");
        assert_refused(&world.exchange(request.as_bytes()).await, 502, "bad_answer");
        world.decided(&[&format!("http {name}:80 allowed {address}"), &format!("http {name}:80 bad_answer")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not_waited_for() {
    let mut world = World::new();
    world.serve(SERVER, |mut stream| async move { drop(rest(&mut stream).await) }).await;
    let request = "GET http://example.org/ HTTP/1.1\r\n";
    let table: [(&[u8], &[&str]); 6] = [
        (b"", &["http :0 slow"]),
        (request.as_bytes(), &["http :0 slow"]),
        (&[5, 1], &["socks5 :0 slow"]),
        (&[5, 1, 0, 5, 1, 0], &["socks5 :0 slow"]),
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", &[ALLOWED, "connect example.org:443 slow"]),
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n\x16\x03\x01", &[ALLOWED, "connect example.org:443 slow"]),
    ];
    for (bytes, decisions) in table {
        world.exchange(bytes).await;
        world.decided(decisions).await;
    }
    // A byte now and then does not help.
    let mut stream = world.proxy().await;
    let (_, mut writer) = stream.split();
    let mut sent = 0;
    for byte in request.repeat(10).bytes() {
        if writer.write_all(&[byte]).await.is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(sent < 20, "{sent}");
    world.decided(&["http :0 slow"]).await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed() {
    let mut world = World::with_idle(30);
    world.serve(SERVER, |mut stream| async move { drop(rest(&mut stream).await) }).await;
    world.serve(ORIGIN, |mut stream| async move { drop(rest(&mut stream).await) }).await;
    let mut stream = tunnel(&world).await;
    assert_eq!(rest(&mut stream).await, "");
    world.decided(&[ALLOWED, "connect example.org:443 idle"]).await;
    // A server that never answers.
    let answer = world.exchange(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await;
    assert_refused(&answer, 504, "idle");
    world.decided(&["http example.org:80 allowed 93.184.215.14", "http example.org:80 idle"]).await;
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let mut world = World::new();
    let half = Arc::new(Notify::new());
    let seen = Arc::clone(&half);
    world
        .serve(SERVER, move |mut stream| {
            let seen = Arc::clone(&seen);
            async move {
                // Its own direction first, then it still reads to the end.
                stream.write_all(b"all I say").await.unwrap();
                stream.shutdown().await.unwrap();
                assert!(rest(&mut stream).await.ends_with("still listening"));
                seen.notify_one();
            }
        })
        .await;
    let mut stream = tunnel(&world).await;
    assert_eq!(rest(&mut stream).await, "all I say");
    stream.write_all(b"still listening").await.unwrap();
    stream.shutdown().await.unwrap();
    half.notified().await;

    world
        .serve(SERVER, |mut stream| async move {
            let received = rest(&mut stream).await;
            stream.write_all(format!("{} bytes", received.len()).as_bytes()).await.unwrap();
        })
        .await;
    let mut stream = tunnel(&world).await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, format!("{} bytes", String::from_utf8_lossy(&first()).len()));
}

#[tokio::test]
async fn the_end_of_a_session_closes_everything() {
    for by_drop in [true, false] {
        let mut world = World::new();
        let (sender, mut ended) = mpsc::channel(16);
        for address in [SERVER, ORIGIN] {
            let sender = sender.clone();
            world
                .serve(address, move |mut stream| {
                    let sender = sender.clone();
                    async move {
                        rest(&mut stream).await;
                        sender.send(()).await.unwrap();
                    }
                })
                .await;
        }
        let mut tunnel = tunnel(&world).await;
        let mut request = world.proxy().await;
        request.write_all(b"GET http://example.org/ HTTP/1.1\r\n\r\n").await.unwrap();
        let mut resolver = world.resolver().await;
        let mut waiting = world.proxy().await;
        world.decided(&[ALLOWED, "http example.org:80 allowed 93.184.215.14"]).await;
        let World { session, servers: _servers, .. } = world;
        if by_drop {
            drop(session)
        } else {
            session.close().await
        }
        for stream in [&mut tunnel, &mut request, &mut resolver, &mut waiting] {
            assert_eq!(rest(stream).await, "");
        }
        ended.recv().await.unwrap();
        ended.recv().await.unwrap();
    }
}

#[tokio::test]
async fn half_a_request_body_is_not_a_whole_one() {
    let mut world = World::new();
    let (sender, mut received) = mpsc::channel(1);
    world
        .serve(ORIGIN, move |mut stream| {
            let sender = sender.clone();
            async move {
                head(&mut stream).await;
                let mut body = [0; 10];
                let result = stream.read_exact(&mut body).await;
                sender.send(result.is_err()).await.unwrap();
            }
        })
        .await;
    let mut stream = world.proxy().await;
    stream.write_all(b"POST http://example.org/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    drop(stream);
    assert!(received.recv().await.unwrap());
}
