//! What a client meets on a port with TLS, with real sockets.

use std::{fs, io, path::Path};

use codemode_proto::v1::{self, executor_client::ExecutorClient};
use codemode_server::ApiKeys;
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, Error};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

use crate::{
    certificates::{Authority, Files, ask, connect},
    support::{KEY, WithKey, block_on, serve, serve_encrypted},
};

fn keys() -> ApiKeys {
    ApiKeys::new(&[KEY])
}

/// What the other side said last, whenever it said it: with TLS 1.3 that may be after the client's handshake.
async fn alert(dialled: io::Result<tokio_rustls::client::TlsStream<TcpStream>>) -> AlertDescription {
    let error = match dialled {
        Err(error) => error,
        Ok(mut stream) => ask(&mut stream, "/healthz", "").await.unwrap_err(),
    };
    match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    }
}

#[test]
fn both_versions_of_http_are_spoken() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let served = serve_encrypted(&keys(), &files.load(None), None).await;
        let mut stream = authority.dial(&served.address, None).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(ask(&mut stream, "/healthz", "").await.unwrap().starts_with("HTTP/1.1 200"));
        assert!(ask(&mut stream, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));
        assert!(ask(&mut stream, "/nowhere", "wrong").await.unwrap().starts_with("HTTP/1.1 401"));

        let (address, config) = (served.address.clone(), authority.config(None, "h2"));
        let connector = service_fn(move |_: Uri| {
            let (config, address) = (config.clone(), address.clone());
            async move { connect(config, &address).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await.unwrap();
        let mut executor = ExecutorClient::with_interceptor(channel, WithKey);
        assert!(!executor.get_info(v1::GetInfoRequest {}).await.unwrap().into_inner().version.is_empty());

        // A protocol that nobody here speaks is refused by name.
        let strange = connect(authority.config(None, "h3"), &served.address).await;
        assert_eq!(alert(strange).await, AlertDescription::NoApplicationProtocol);
    });
}

fn refusals(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == "refusal").collect()
}

#[test]
fn a_client_without_the_right_certificate_is_refused_and_written_down() {
    block_on(async {
        let (authority, other) = (Authority::new("a"), Authority::new("b"));
        let files = Files::of(&authority);
        let log = files.path("audit.jsonl");
        let mut served = serve_encrypted(&keys(), &files.load(Some(true)), Some(&log)).await;
        let mut stream = authority.dial(&served.address, Some(&authority.client("alice"))).await.unwrap();
        assert!(ask(&mut stream, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));
        assert!(ask(&mut stream, "/nowhere", "wrong").await.unwrap().starts_with("HTTP/1.1 401"));
        let bare = authority.dial(&served.address, None).await;
        assert_eq!(alert(bare).await, AlertDescription::CertificateRequired);
        let foreign = authority.dial(&served.address, Some(&other.client("alice"))).await;
        assert_eq!(alert(foreign).await, AlertDescription::UnknownCA);
        // The executor's certificate is not one for clients.
        let server = authority.dial(&served.address, Some(&authority.server())).await;
        assert_eq!(alert(server).await, AlertDescription::UnsupportedCertificate);
        served.running.take().unwrap().drain(std::time::Duration::ZERO).await;

        let lines = refusals(&log);
        let told: Vec<_> = lines.iter().map(|line| line["detail"].as_str().unwrap()).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        // Of the certificate that was good and came with a wrong key, the line says which it was.
        let principal = lines[0]["principal"].as_str().unwrap();
        assert!(principal.len() == "cert:".len() + 64 && principal.starts_with("cert:"), "{principal}");
        assert_eq!(told[1], "a client certificate is required, and none came");
        assert!(told[2..].iter().all(|it| it.starts_with("the client certificate is not accepted: ")), "{told:?}");
        for line in &lines[1..] {
            let seen = (&line["reason"], &line["principal"], &line["path"]);
            assert_eq!(seen, (&json!("unauthenticated"), &Value::Null, &Value::Null));
            assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
        }
    });
}

#[test]
fn refusals_of_certificates_do_not_fill_the_disk() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let log = files.path("audit.jsonl");
        let mut served = serve_encrypted(&keys(), &files.load(Some(true)), Some(&log)).await;
        const ATTEMPTS: usize = 200;
        let start = std::time::Instant::now();
        for _ in 0..ATTEMPTS {
            alert(authority.dial(&served.address, None).await).await;
        }
        let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
        served.running.take().unwrap().drain(std::time::Duration::ZERO).await;
        let lines = refusals(&log);
        // A breath of them, and then one for each second that it took.
        assert!((1..=17 + seconds).contains(&lines.len()), "{} lines in {seconds} s", lines.len());
    });
}

#[test]
fn where_certificates_are_optional_a_bad_one_is_worse_than_none() {
    block_on(async {
        let (authority, other) = (Authority::new("a"), Authority::new("b"));
        let files = Files::of(&authority);
        let log = files.path("audit.jsonl");
        let mut served = serve_encrypted(&keys(), &files.load(Some(false)), Some(&log)).await;
        let mut bare = authority.dial(&served.address, None).await.unwrap();
        assert!(ask(&mut bare, "/nowhere", KEY).await.unwrap().starts_with("HTTP/1.1 404"));
        let foreign = authority.dial(&served.address, Some(&other.client("alice"))).await;
        assert_eq!(alert(foreign).await, AlertDescription::UnknownCA);
        // What runs is on both, the key and the certificate.
        let mut stream = authority.dial(&served.address, Some(&authority.client("alice"))).await.unwrap();
        let body = json!({"code": "6 * 7"}).to_string();
        let head = format!("POST /v1/executions HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\nConnection: close");
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(format!("{head}\r\n{rest}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"result\":42"), "{answer}");
        served.running.take().unwrap().drain(std::time::Duration::ZERO).await;
        let text = fs::read_to_string(&log).unwrap();
        let start = text.lines().find(|line| line.contains("\"event\":\"start\"")).unwrap();
        let line: Value = serde_json::from_str(start).unwrap();
        let (key, certificate) = line["principal"].as_str().unwrap().split_once(' ').unwrap();
        assert!(key.starts_with("key:") && certificate.starts_with("cert:"), "{line}");
    });
}

async fn said_to(address: &str, words: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(words).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[test]
fn plaintext_on_a_port_with_tls_is_told_so() {
    block_on(async {
        let authority = Authority::new("a");
        let files = Files::of(&authority);
        let served = serve_encrypted(&keys(), &files.load(None), None).await;
        let answer = said_to(&served.address, b"POST /v1/executions HTTP/1.1\r\nHost: x\r\n\r\n").await;
        insta::assert_snapshot!(String::from_utf8(answer).unwrap().replace('\r', ""), @r"
        HTTP/1.1 400 Bad Request
        Content-Type: text/plain; charset=utf-8
        Connection: close
        Content-Length: 35

        this port speaks TLS; use https://
        ");
        let answer = said_to(&served.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        assert!(answer.ends_with(b"\0\0\0\x0cthis port speaks TLS; use https://"), "{answer:?}");
        let error = served.plain_channel_error().await;
        assert!(error.contains("INADEQUATE_SECURITY") || error.contains("this port speaks TLS"), "{error}");
        assert!(said_to(&served.address, b"\0\0\0\0").await.is_empty());
    });
}

#[test]
fn tls_on_a_port_without_it_is_told_so() {
    block_on(async {
        let served = serve(json!({})).await;
        let dialled = Authority::new("a").dial(&served.address, None).await;
        assert_eq!(alert(dialled).await, AlertDescription::ProtocolVersion);
        assert_eq!(served.post(&json!({"code": "6 * 7"})).await.json()["result"], 42);
    });
}
