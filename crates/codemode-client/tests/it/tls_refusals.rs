//! What each way to fail says, and that it says so at once.

use std::time::Duration;

use codemode_client::{Client, ClientError, ClientOptions, TlsOptions, TlsProblem};
use rcgen::KeyPair;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    executor::Server,
    front::{Front, config, mutual},
    pki::{Authority, Params, client_auth, server_auth, valid},
    tls::executor,
};

/// What a client is told whose executor has this certificate.
async fn judged(names: &[&str], change: impl FnOnce(&mut Params)) -> (String, ClientError) {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.leaf(names, change))).await;
    let error = front.refusal(TlsOptions::custom(authority.bundle())).await;
    assert!(!error.retryable() && error.execution_id().is_none());
    (front.url(), error)
}

#[tokio::test]
async fn an_expired_certificate_says_since_when() {
    let (url, error) = judged(&["127.0.0.1"], valid(2020, 2021)).await;
    assert_eq!(error.code(), "tls_certificate_expired");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the executor at {url}: its certificate expired at 2021-01-01T00:00:00Z. \
             Put a new one into the executor's tls.cert_file"
        )
    );
}

#[tokio::test]
async fn a_certificate_of_the_future_says_from_when() {
    let (url, error) = judged(&["127.0.0.1"], valid(4000, 4001)).await;
    assert_eq!(error.code(), "tls_certificate_not_yet_valid");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the executor at {url}: its certificate is not valid before 4000-01-01T00:00:00Z. \
             Look whether the clocks of both machines are right"
        )
    );
}

#[tokio::test]
async fn a_wrong_host_name_says_which_and_which_there_are() {
    let (url, error) = judged(&["executor.example", "*.internal", "10.0.0.1", "::1"], server_auth).await;
    assert_eq!(error.code(), "tls_wrong_host_name");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the executor at {url}: its certificate is for executor.example, *.internal, 10.0.0.1, \
             ::1, not for 127.0.0.1. Use a name of the certificate in the URL, or put one for 127.0.0.1 into the \
             executor's tls.cert_file"
        )
    );
}

#[tokio::test]
async fn a_certificate_for_clients_does_not_serve() {
    let (_, error) = judged(&["127.0.0.1"], client_auth).await;
    assert_eq!(error.code(), "tls_certificate_invalid");
    assert!(error.to_string().contains("cannot be accepted: certificate does not allow extended key"), "{error}");
}

#[tokio::test]
async fn an_unknown_issuer_names_the_setting() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    let bundle = Authority::new("another").pem();
    let bundle = authority.file("another.pem", &bundle);
    let error = front.refusal(TlsOptions::custom(&bundle)).await;
    assert_eq!((error.code(), error.retryable()), ("tls_unknown_issuer", false));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the executor at {}: its certificate comes from no CA in {}. Set tls.ca_file \
             (tls_cert_path, CODEMODE_TLS_CA_FILE, --tls-ca) to the certificate of the CA that issued it",
            front.url(),
            bundle.display()
        )
    );
}

/// Sends what it gets these bytes, and closes. What it got is still unread.
async fn answers(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut first = [0; 1];
            let _ = socket.read(&mut first).await;
            let _ = socket.write_all(bytes).await;
        }
    });
    port
}

async fn refusal(options: ClientOptions) -> ClientError {
    Client::connect(options).unwrap().info().await.unwrap_err()
}

#[tokio::test]
async fn without_tls_to_a_port_with_tls() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    for scheme in ["http", "grpc"] {
        let url = format!("{scheme}://{}", front.address);
        let client = Client::connect(ClientOptions::new(&url)).unwrap();
        for error in [client.info().await.unwrap_err(), client.health().await.unwrap_err()] {
            assert_eq!((error.code(), error.retryable()), ("tls_required", false), "{error}");
            let expected = format!("the executor at {url} speaks TLS: use {scheme}s://{}", front.address);
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[tokio::test]
async fn with_tls_to_a_port_without() {
    let http1 = answers(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let http2 = answers(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00").await;
    let alert = answers(b"\x15\x03\x01\x00\x02\x02\x46").await;
    for port in [http1, http2, alert] {
        let url = format!("grpcs://127.0.0.1:{port}");
        let error = refusal(ClientOptions { tls: None, ..ClientOptions::new(&url) }).await;
        assert_eq!((error.code(), error.retryable()), ("tls_not_spoken", false), "{error}");
        assert_eq!(
            error.to_string(),
            format!(
                "the executor at {url} does not speak TLS: use grpc://127.0.0.1:{port} if you trust the network, or \
                 set the executor's tls.cert_file and tls.key_file"
            )
        );
    }
}

/// As an executor does, so that every gRPC client shows its reason.
#[tokio::test]
async fn a_port_with_tls_may_say_so_in_http2() {
    const SETTINGS_AND_GOAWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x0b\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0ctls";
    let url = format!("http://127.0.0.1:{}", answers(SETTINGS_AND_GOAWAY).await);
    let error = refusal(ClientOptions::new(&url)).await;
    assert_eq!((error.code(), error.retryable()), ("tls_required", false), "{error}");
}

/// Something listens and never answers the handshake.
#[tokio::test]
async fn silence_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let options = ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::new(url) };
    let error = refusal(options).await;
    assert_eq!((error.code(), error.retryable()), ("timeout", true), "{error}");
}

/// A port that hangs up without a word may speak the one or the other.
#[tokio::test]
async fn one_that_hangs_up() {
    let port = answers(b"").await;
    let error = refusal(ClientOptions::new(format!("http://127.0.0.1:{port}"))).await;
    assert_eq!((error.code(), error.retryable()), ("connection", true));
    let expected = format!("without a word; if it speaks TLS, use https://127.0.0.1:{port}. Is it running");
    assert!(error.to_string().contains(&expected), "{error}");
    let error = refusal(ClientOptions::new(format!("https://127.0.0.1:{port}"))).await;
    assert_eq!((error.code(), error.retryable()), ("connection", true));
}

#[tokio::test]
async fn an_alert_that_says_nothing_of_certificates_is_shown() {
    let port = answers(b"\x15\x03\x03\x00\x02\x02\x28").await;
    let error = refusal(ClientOptions::new(format!("https://127.0.0.1:{port}"))).await;
    assert_eq!(error.code(), "tls_handshake");
    assert!(error.to_string().contains("the executor's alert is HandshakeFailure"), "{error}");
}

/// In TLS 1.3 the client hears of it only after its own part of the handshake, in TLS 1.2 before.
#[tokio::test]
async fn a_client_certificate_that_is_missing_or_wrong() {
    let (executor, authority, strangers) = (executor(), Authority::new("ours"), Authority::new("strangers"));
    let with = |leaf: &crate::pki::Leaf| TlsOptions {
        client_cert_file: Some(authority.file("client.pem", &leaf.certificate)),
        client_key_file: Some(authority.file("client.key", &leaf.key)),
        ..TlsOptions::custom(authority.bundle())
    };
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let front = Front::start(&executor, mutual(&authority.server(), &authority, versions)).await;
        let error = front.refusal(TlsOptions::custom(authority.bundle())).await;
        assert_eq!(error.code(), "tls_client_certificate_required", "{error}");
        assert_eq!(
            error.to_string(),
            format!(
                "the executor at {} wants a certificate of the client and none was given. Set tls.client_cert_file \
                 (CODEMODE_TLS_CLIENT_CERT_FILE, --tls-cert) and tls.client_key_file (CODEMODE_TLS_CLIENT_KEY_FILE, \
                 --tls-key)",
                front.url()
            )
        );
        for (leaf, reason) in [
            (strangers.leaf(&["client"], client_auth), "the executor does not know the CA that issued it"),
            (authority.leaf(&["client"], valid(2020, 2021)), "it has expired, or is not valid yet"),
            (authority.leaf(&["client"], server_auth), "it is not for clients (extended key usage clientAuth)"),
        ] {
            let tls = with(&leaf);
            let file = tls.client_cert_file.clone().unwrap();
            let error = front.refusal(tls).await;
            assert_eq!(error.code(), "tls_client_certificate_refused", "{error}");
            let expected = TlsProblem::ClientCertificateRefused { file, reason: reason.into() };
            assert!(matches!(&error, ClientError::Tls { problem, .. } if *problem == expected), "{error}");
            assert!(matches!(&error, ClientError::Tls { problem, .. } if problem.is_refusal()));
        }
    }
}

/// Nothing is dialled: the URLs lead nowhere.
#[test]
fn files_that_cannot_be_used_are_named_at_once() {
    let authority = Authority::new("ours");
    let leaf = authority.leaf(&["client"], client_auth);
    let certificate = authority.file("client.pem", &leaf.certificate);
    let key = authority.file("client.key", &leaf.key);
    let empty = authority.file("empty.pem", "");
    let cut = authority.file("cut.pem", &leaf.certificate[..leaf.certificate.len() - 40]);
    let other = authority.file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let no_x509 = authority.file("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let identity = |certificate: &std::path::Path, key: &std::path::Path| TlsOptions {
        client_cert_file: Some(certificate.into()),
        client_key_file: Some(key.into()),
        ..TlsOptions::default()
    };
    let alone = |key: bool| TlsOptions {
        client_cert_file: (!key).then(|| certificate.clone()),
        client_key_file: key.then(|| other.clone()),
        ..TlsOptions::default()
    };
    let cases = [
        (TlsOptions::custom("/no/such.pem"), "tls.ca_file|cannot read /no/such.pem: No such file"),
        (TlsOptions::custom(authority.folder.path()), "tls.ca_file|Is a directory"),
        (TlsOptions::custom(&empty), "tls.ca_file|there is no certificate in|empty.pem; it must be PEM"),
        (TlsOptions::custom(&key), "tls.ca_file|there is no certificate in|client.key"),
        (TlsOptions::custom(&cut), "tls.ca_file|cut.pem is damaged PEM: an -----END line is missing"),
        (TlsOptions::custom(&no_x509), "tls.ca_file|certificate 1 in|no.pem cannot be used"),
        (identity(&certificate, &other), "tls.client_key_file|the key in|other.key is not the key of the|client.pem"),
        (identity(&certificate, &empty), "tls.client_key_file|there is no private key in|and not encrypted"),
        (identity(&empty, &key), "tls.client_cert_file|there is no certificate in|empty.pem"),
        (alone(false), "tls.client_cert_file|needs|tls.client_key_file"),
        (alone(true), "tls.client_key_file|needs|tls.client_cert_file"),
    ];
    for (tls, parts) in cases {
        let error = Client::connect(ClientOptions { tls: Some(tls), ..ClientOptions::new("https://h") }).unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("config", false));
        let text = error.to_string();
        assert!(parts.split('|').all(|part| text.contains(part)), "{text}\n{parts}");
        assert!(!leaf.key.lines().skip(1).any(|line| text.contains(line)), "{text}");
    }
}

/// A file that goes bad under a running application is an error of the next connect.
#[tokio::test]
async fn files_are_read_at_each_connect() {
    let (_executor, authority): (Server, _) = (executor(), Authority::new("ours"));
    let front = Front::start(&_executor, config(&authority.server())).await;
    let client = front.client(TlsOptions::custom(authority.bundle()));
    authority.file("ca.pem", "");
    let error = client.info().await.unwrap_err();
    assert_eq!(error.code(), "config");
    assert!(error.to_string().contains("there is no certificate in"), "{error}");
    authority.bundle();
    client.info().await.unwrap();
}
