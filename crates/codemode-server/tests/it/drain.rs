use std::time::Duration;

use serde_json::json;
use v1::server_message::Message;

use codemode_proto::v1;

use crate::support::{ENDLESS, KEY, block_on, one_place, serve, serve_on};

#[test]
fn what_runs_may_finish_and_nothing_new_begins() {
    block_on(async {
        let mut served = serve(json!({"max_concurrent_executions": 4})).await;
        let running = served.running.take().unwrap();
        let mut stream = served.connect().await;
        stream.send(
            "b",
            v1::Start {
                tools: vec![v1::ToolSpec { name: "t".into(), ..v1::ToolSpec::default() }],
                code: b"result = tools['t'].run()".to_vec(),
                ..v1::Start::default()
            },
        );
        let Message::ToolCall(call) = stream.of("b").await else { panic!() };
        let drained = tokio::spawn(running.drain(Duration::from_secs(60)));
        loop {
            stream.start("c", "1");
            match stream.of("c").await {
                Message::Rejected(rejected) => {
                    break assert_eq!((rejected.code.as_str(), rejected.retryable), ("draining", true));
                }
                Message::Finished(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(tokio::net::TcpStream::connect(&served.address).await.is_err());
        stream.send("b", codemode_proto::tool_result(call.call_id, Ok(b"1".to_vec())));
        assert_eq!(stream.finished("b").await.outcome, "ok");
        assert_eq!(stream.next().await.unwrap_err().code(), tonic::Code::Unavailable);
        drained.await.unwrap();
    });
}

#[test]
fn what_does_not_finish_is_interrupted() {
    block_on(async {
        let mut served = serve(json!({})).await;
        let running = served.running.take().unwrap();
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        assert!(matches!(stream.of("a").await, Message::Output(_)));
        let drained = tokio::spawn(running.drain(Duration::ZERO));
        assert_eq!(stream.finished("a").await.outcome, "interrupted");
        drained.await.unwrap();
    });
}

#[test]
fn over_http_the_status_says_so_too() {
    block_on(async {
        use tokio::io::AsyncReadExt;
        let mut served = serve(one_place()).await;
        let mut held = served.post_and_hold(&json!({"code": ENDLESS})).await;
        while served.post(&json!({"code": "1"})).await.status == 200 {}
        served.running.take().unwrap().drain(Duration::ZERO).await;
        let mut answer = String::new();
        held.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 409 Conflict") && answer.contains("\"Interrupted\""), "{answer}");
    });
}

#[test]
fn a_unix_socket_serves_and_goes() {
    block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let mut served = serve_on(&format!("unix:{}", path.display()), &[KEY], json!({})).await;
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        served.running.take().unwrap().drain(Duration::ZERO).await;
        assert!(!path.exists());
    });
}

#[test]
fn a_server_that_is_dropped_cuts_its_connections() {
    block_on(async {
        let mut served = serve(json!({})).await;
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        assert!(matches!(stream.of("a").await, Message::Output(_)));
        drop(served.running.take());
        assert!(stream.next().await.is_err());
    });
}
