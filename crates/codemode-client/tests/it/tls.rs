use std::{fs, sync::Arc};

use codemode_client::{Client, ClientOptions, NoTools, Request, TlsMode, TlsOptions};

use crate::{
    executor::{KEY, Server, finished},
    front::{Front, config, mutual},
    pki::{Authority, client_auth},
};

/// Answers every execution on every stream.
pub(crate) fn executor() -> Server {
    Server::start(|mut peer| async move {
        peer.greet().await;
        while let Some((id, message)) = peer.receive().await {
            if matches!(message, codemode_proto::v1::client_message::Message::Start(_)) {
                peer.send(&id, finished("4"));
            }
        }
    })
}

async fn runs(client: &Client) {
    let outcome = client.execute(Request::new("2 + 2"), Arc::new(NoTools), |_, _| ()).await.unwrap();
    assert_eq!(outcome.report.result.as_deref(), Some(&b"4"[..]));
}

#[tokio::test]
async fn an_executor_of_a_ca_of_ones_own() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    runs(&front.client(TlsOptions::custom(authority.bundle()))).await;
    let by_name = format!("grpcs://localhost:{}", front.address.port());
    let options = ClientOptions { url: by_name, ..front.options(TlsOptions::custom(authority.bundle())) };
    runs(&Client::connect(options).unwrap()).await;
}

#[tokio::test]
async fn a_bundle_may_hold_several_cas_and_words_between_them() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    let bundle = format!("# one\n{}\n# two\n{}", Authority::new("another").pem(), authority.pem());
    runs(&front.client(TlsOptions::custom(authority.file("bundle.pem", &bundle)))).await;
}

#[tokio::test]
async fn both_sides_show_a_certificate() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let leaf = authority.leaf(&["client"], client_auth);
    let tls = TlsOptions {
        client_cert_file: Some(authority.file("client.pem", &leaf.certificate)),
        client_key_file: Some(authority.file("client.key", &leaf.key)),
        ..TlsOptions::custom(authority.bundle())
    };
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let front = Front::start(&executor, mutual(&authority.server(), &authority, versions)).await;
        runs(&front.client(tls.clone())).await;
    }
}

/// The certificate of the executor is for another name than the one that is dialled.
#[tokio::test]
async fn a_name_of_ones_own_choice_can_be_checked() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.leaf(&["executor.example"], |_| ()))).await;
    let tls = TlsOptions { server_name: Some("executor.example".into()), ..TlsOptions::custom(authority.bundle()) };
    runs(&front.client(tls)).await;
}

/// Neither its name nor its dates matter, only that it is this one.
#[tokio::test]
async fn one_certificate_can_be_asked_for() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let leaf = authority.leaf(&["elsewhere"], crate::pki::valid(2001, 2002));
    let front = Front::start(&executor, config(&leaf)).await;
    let exactly =
        |pem: &str| TlsOptions { mode: TlsMode::Exactly(authority.file("server.pem", pem)), ..TlsOptions::default() };
    runs(&front.client(exactly(&leaf.certificate))).await;
    let error = front.refusal(exactly(&authority.server().certificate)).await;
    assert_eq!(error.code(), "tls_certificate_invalid");
    assert!(error.to_string().contains("it is not the one in /"), "{error}");
}

/// A connection outlives the certificate it began with, and the next one takes the new files on both sides.
#[tokio::test]
async fn certificates_are_replaced_under_a_client() {
    let executor = Server::start(|mut peer| async move {
        peer.greet().await;
        while let Some((id, message)) = peer.receive().await {
            if let codemode_proto::v1::client_message::Message::Start(start) = message {
                if start.code == b"hang up" {
                    return;
                }
                peer.send(&id, finished("4"));
            }
        }
    });
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let bundle = before.bundle();
    let front = Front::start(&executor, config(&before.server())).await;
    let client = front.client(TlsOptions::custom(&bundle));
    runs(&client).await;
    front.change(config(&after.server()));
    runs(&client).await;
    let error = client.execute(Request::new("hang up"), Arc::new(NoTools), |_, _| ()).await.unwrap_err();
    assert_eq!(error.code(), "connection_lost");
    assert_eq!(client.info().await.unwrap_err().code(), "tls_unknown_issuer");
    fs::write(&bundle, after.pem()).unwrap();
    runs(&client).await;
}

#[tokio::test]
async fn health_is_asked_over_tls_and_without_the_key() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    let options = ClientOptions { api_key: None, ..front.options(TlsOptions::custom(authority.bundle())) };
    // The scripted executor has no health service: it is reached, which is what matters here.
    let error = Client::connect(options).unwrap().health().await.unwrap_err();
    assert_eq!(error.code(), "protocol", "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_still_a_wrong_key() {
    let (executor, authority) = (executor(), Authority::new("ours"));
    let front = Front::start(&executor, config(&authority.server())).await;
    for key in [Some("wrong"), None] {
        let api_key = key.map(String::from);
        let options = ClientOptions { api_key, ..front.options(TlsOptions::custom(authority.bundle())) };
        let error = Client::connect(options).unwrap().info().await.unwrap_err();
        assert_eq!(error.code(), "unauthenticated");
        assert!(error.to_string().contains(&front.url()) && !error.to_string().contains(KEY), "{error}");
    }
}
