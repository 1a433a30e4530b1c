use std::{sync::Arc, time::Duration};

use codemode_client::{Client, ClientError, ClientOptions, NoTools, Request};
use codemode_proto::v1;
use codemode_types::{ErrorCode, Rejection};
use tonic::Status;

use crate::executor::{Server, finished};

async fn run(client: &Client) -> Result<String, ClientError> {
    let outcome = client.execute(Request::new("…"), Arc::new(NoTools), |_, _| ()).await?;
    Ok(String::from_utf8(outcome.report.result.unwrap()).unwrap())
}

#[tokio::test]
async fn a_wrong_key_and_no_key_are_told_apart() {
    let server = Server::start(|_| async {});
    for (key, hint) in [(Some("wrong"), "refused the API key"), (None, "none was given")] {
        let options = ClientOptions { api_key: key.map(String::from), ..server.options() };
        let error = run(&Client::connect(options).unwrap()).await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("unauthenticated", false));
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_retryable_and_names_the_url() {
    let client = Client::connect(ClientOptions::new("unix:///nowhere/at/all")).unwrap();
    let error = run(&client).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("connection", true));
    assert!(error.to_string().contains("unix:///nowhere/at/all: No such file"), "{error}");
    assert!(
        !format!("{:?}", ClientOptions { api_key: Some("secret".into()), ..ClientOptions::new("x") })
            .contains("secret")
    );
}

#[tokio::test]
async fn a_policy_that_is_too_wide_is_a_config_error() {
    let server = Server::start(|mut peer| async move {
        assert!(peer.receive().await.is_some());
        let rejection = Rejection::new(ErrorCode::Policy, "limits.memory_limit: 2 GiB is more than 512 MiB");
        peer.send("", v1::Rejected::from(rejection));
    });
    let options = ClientOptions { policy: Some("{}".into()), ..server.options() };
    let error = Client::connect(options).unwrap().info().await.unwrap_err();
    assert_eq!(error.code(), "policy");
    assert!(error.to_string().contains("limits.memory_limit"), "{error}");
}

#[tokio::test]
async fn a_broken_stream_ends_its_execution_and_the_next_one_dials_again() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, start) = peer.started().await;
        if start.code == "…".as_bytes() {
            return peer.fail(Status::internal("gone"));
        }
        peer.send(&id, finished("2"));
        while peer.receive().await.is_some() {}
    });
    let client = server.client();
    let error = run(&client).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("connection_lost", false));
    assert!(error.execution_id().is_some() && error.to_string().contains("gone"), "{error}");
    let outcome = client.execute(Request::new("2"), Arc::new(NoTools), |_, _| ()).await.unwrap();
    assert_eq!(outcome.report.result.as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn refusals_of_one_execution_leave_the_stream_alone() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        for code in [ErrorCode::CodeTooLong, ErrorCode::Overloaded] {
            let (id, _) = peer.started().await;
            peer.send(&id, v1::Rejected::from(Rejection::new(code, "no")));
        }
        let (id, _) = peer.started().await;
        peer.send(&id, finished("3"));
        while peer.receive().await.is_some() {}
    });
    let client = server.client();
    assert!(
        matches!(run(&client).await.unwrap_err(), ClientError::Rejected { rejection, .. } if !rejection.code.retryable())
    );
    assert!(
        matches!(run(&client).await.unwrap_err(), ClientError::Overloaded { rejection, .. } if rejection.code.retryable())
    );
    assert_eq!(run(&client).await.unwrap(), "3");
}

#[tokio::test]
async fn closing_ends_what_is_under_way() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        while peer.receive().await.is_some() {}
    });
    let client = server.client();
    client.info().await.unwrap();
    let (error, ()) = tokio::join!(run(&client), client.close());
    assert_eq!(error.unwrap_err().code(), "closed");
    assert_eq!(run(&client).await.unwrap_err().code(), "closed");
}

/// The executor's host freezes under an execution: the connection stands, and only keepalives can tell.
#[tokio::test]
async fn silence_is_a_timeout() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        while peer.receive().await.is_some() {}
    });
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let (freeze, frozen) = tokio::sync::oneshot::channel();
    let upstream = server.socket();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut executor = tokio::net::UnixStream::connect(upstream).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut executor) => {}
            _ = frozen => {}
        }
        // Open and dead.
        std::future::pending::<()>().await;
    });
    let url = format!("unix:{}", socket.display());
    let options = ClientOptions { url, timeout: Duration::from_millis(300), ..server.options() };
    let client = Client::connect(options).unwrap();
    client.info().await.unwrap();
    freeze.send(()).unwrap();
    let error = run(&client).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("timeout", false), "{error}");
    assert!(error.execution_id().is_some());
}

/// Something listens and says nothing at all.
#[tokio::test]
async fn silence_from_the_start_is_a_timeout_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let url = format!("unix:{}", socket.display());
    let options = ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::new(url) };
    let error = run(&Client::connect(options).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("timeout", true), "{error}");
}
