//! Who has no key cannot keep out who has one.

use std::time::Duration;

use codemode_server::Reception;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{KEY, Served, block_on, serve_with};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

async fn serve(reception: Reception) -> Served {
    serve_with("127.0.0.1:0", &[KEY], json!({}), reception).await
}

async fn dial(served: &Served, words: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&served.address).await.unwrap();
    stream.write_all(words).await.unwrap();
    stream
}

/// Waits for the other side's end, however it comes.
async fn closed(mut stream: TcpStream) {
    let mut answer = [0; 1024];
    while matches!(stream.read(&mut answer).await, Ok(1..)) {}
}

/// A request on a connection that stays open, and the whole of its answer.
async fn ask(stream: &mut TcpStream, path: &str, key: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Every answer here is one JSON object behind its head.
    while !answer.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_connection_that_never_says_who_it_is_ends() {
    block_on(async {
        // Enough for the first words of those who have some, on any machine.
        let served = serve(Reception { patience: Duration::from_secs(2), ..Reception::default() }).await;
        let mut known = TcpStream::connect(&served.address).await.unwrap();
        assert!(ask(&mut known, "/nowhere", KEY).await.starts_with("HTTP/1.1 404"));
        let mut prober = TcpStream::connect(&served.address).await.unwrap();
        assert!(ask(&mut prober, "/healthz", "").await.starts_with("HTTP/1.1 200"));
        let mut refused = TcpStream::connect(&served.address).await.unwrap();
        assert!(ask(&mut refused, "/nowhere", "wrong").await.starts_with("HTTP/1.1 401"));
        let mut strangers = vec![refused];
        for words in [&b""[..], b"GET /healthz HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            strangers.push(dial(&served, words).await);
        }
        for stranger in strangers {
            closed(stranger).await;
        }
        // Both came before those whose time is over.
        assert!(ask(&mut known, "/nowhere", KEY).await.starts_with("HTTP/1.1 404"));
        assert!(ask(&mut prober, "/healthz", "").await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn silent_connections_keep_nobody_out() {
    block_on(async {
        let served = serve(Reception { patience: FOREVER, strangers: 8, known: 4 }).await;
        let mut known = TcpStream::connect(&served.address).await.unwrap();
        assert!(ask(&mut known, "/nowhere", KEY).await.starts_with("HTTP/1.1 404"));
        let first = dial(&served, b"").await;
        let mut silent = Vec::new();
        for _ in 0..1030 {
            silent.push(dial(&served, b"").await);
        }
        // The oldest went for the newest; whoever has a key has a place, also when it comes last.
        closed(first).await;
        assert!(ask(&mut known, "/nowhere", KEY).await.starts_with("HTTP/1.1 404"));
        assert_eq!(served.post(&json!({"code": "6 * 7"})).await.json()["result"], 42);
        assert_eq!(served.get("/healthz").await.status, 200);
    });
}

#[test]
fn probing_is_no_way_to_a_callers_place() {
    block_on(async {
        let served = serve(Reception { patience: FOREVER, strangers: 2, known: 1 }).await;
        let mut first = TcpStream::connect(&served.address).await.unwrap();
        ask(&mut first, "/healthz", "").await;
        let mut others = Vec::new();
        for _ in 0..2 {
            let mut other = TcpStream::connect(&served.address).await.unwrap();
            assert!(ask(&mut other, "/healthz", "").await.starts_with("HTTP/1.1 200"));
            others.push(other);
        }
        closed(first).await;
        assert_eq!(served.post(&json!({"code": "1"})).await.status, 200);
    });
}

#[test]
fn more_callers_than_places_are_told_so() {
    block_on(async {
        let served = serve(Reception { patience: FOREVER, strangers: 8, known: 1 }).await;
        let mut known = TcpStream::connect(&served.address).await.unwrap();
        ask(&mut known, "/nowhere", KEY).await;
        let refused = served.post(&json!({"code": "1"})).await;
        assert_eq!((refused.status, refused.json()["outcome"].as_str()), (429, Some("overloaded")));
        assert!(refused.json()["detail"].as_str().unwrap().starts_with("1 connections are open"), "{}", refused.body);
        drop(known);
        // Its end is noticed at one of the next turns of the event loop.
        while served.post(&json!({"code": "1"})).await.status == 429 {}
    });
}
