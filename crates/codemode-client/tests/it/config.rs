//! What a configuration says takes effect on each execution.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use codemode_client::{
    Client, ClientError, ClientOptions, EmbeddedOptions, NoTools, Request, TlsMode, Value,
    config::{ClientConfig, ClientSources},
    json,
};
use codemode_proto::v1;
use codemode_types::{ErrorCode, Rejection};

use crate::executor::{KEY, Server, finished};

fn config(values: Value) -> ClientConfig {
    ClientConfig::load(&ClientSources { values, ..ClientSources::default() }).unwrap()
}

fn of(server: &Server, more: Value) -> Client {
    let mut values = json!({"executor_url": server.options().url, "executor_api_key": KEY});
    values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Client::from_config(&config(values), None).unwrap()
}

/// Refuses this many executions, then runs them.
fn full_at_first(refusals: u64) -> (Server, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |mut peer| {
        let count = Arc::clone(&count);
        async move {
            peer.greet().await;
            while let Some((id, message)) = peer.receive().await {
                let v1::client_message::Message::Start(_) = message else { continue };
                match count.fetch_add(1, Ordering::Relaxed) < refusals {
                    true => peer.send(&id, v1::Rejected::from(Rejection::new(ErrorCode::Overloaded, "full"))),
                    false => peer.send(&id, finished("1")),
                }
            }
        }
    });
    (server, asked)
}

#[tokio::test]
async fn what_was_refused_before_it_ran_is_repeated() {
    let retry = |retry: Value| json!({"retry": retry});
    let run = async |client: Client| client.execute(Request::new("1"), Arc::new(NoTools), |_, _| ()).await;
    let (server, asked) = full_at_first(2);
    let quick = json!({"max_attempts": 3, "backoff_base_ms": 10, "backoff_max_ms": 100});
    let outcome = run(of(&server, retry(quick.clone()))).await.unwrap();
    assert_eq!((outcome.report.result.as_deref(), asked.load(Ordering::Relaxed)), (Some(&b"1"[..]), 3));

    let (server, asked) = full_at_first(3);
    let error = run(of(&server, retry(quick))).await.unwrap_err();
    assert!(matches!(error, ClientError::Overloaded { .. }), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    let (server, asked) = full_at_first(1);
    run(of(&server, retry(json!({"enabled": false})))).await.unwrap_err();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn ids_limits_and_tracebacks_are_as_configured() {
    let traceback = "Traceback:\n  File \"a\", line 1\n  File \"b\", line 2\nValueError: z";
    let server = Server::start(move |mut peer| async move {
        let hello = peer.greet().await;
        assert_eq!(hello.policy, br#"{"limits":{"cpus":1}}"#);
        let (id, start) = peer.started().await;
        assert!(start.correlation_id.starts_with("app-"), "{}", start.correlation_id);
        assert_eq!(start.max_code_length, Some(100));
        let error = v1::ExecutionError { traceback: traceback.into(), ..v1::ExecutionError::default() };
        peer.send(&id, v1::Finished { outcome: "error".into(), error: Some(error), ..finished("null") });
        while peer.receive().await.is_some() {}
    });
    let more = json!({
        "max_code_length": 100, "limits": {"cpus": 1},
        "observability": {"correlation_id_prefix": "app", "traceback_limit": 1}
    });
    let outcome = of(&server, more).execute(Request::new("1"), Arc::new(NoTools), |_, _| ()).await.unwrap();
    let kept = outcome.report.failure.unwrap().traceback;
    assert_eq!(kept, "Traceback:\n  File \"b\", line 2\nValueError: z");
}

#[test]
fn options_are_made_of_it() {
    let options = ClientOptions::from_config(&config(json!({
        "executor_url": "https://h", "timeout": 2, "tls": {"ca_file": "/ca", "client_cert_file": "/c", "client_key_file": "/k"}
    })));
    let options = options.unwrap();
    assert_eq!((options.url.as_str(), options.timeout.as_secs()), ("https://h", 2));
    let tls = options.tls.unwrap();
    assert_eq!((tls.mode, tls.client_key_file), (TlsMode::Custom("/ca".into()), Some("/k".into())));

    let nowhere = Client::from_config(&config(json!({})), None).unwrap_err();
    assert_eq!(nowhere.to_string(), "executor_url is not set: it says where the executor is");
    let own = EmbeddedOptions::new("/codemode");
    let options = own.clone().with_config(&config(json!({"timeout": 2, "limits": {"cpus": 1}}))).unwrap();
    assert_eq!((options.policy, options.timeout.as_secs()), (Some(json!({"limits": {"cpus": 1}})), 2));
    let idle = own.with_config(&config(json!({"executor_api_key": "k", "tls_enabled": true}))).unwrap_err();
    assert_eq!(
        idle.to_string(),
        "executor_api_key: cannot take effect without executor_url; set it, or leave this out\n\
         tls_enabled: cannot take effect without executor_url; set it, or leave this out"
    );
}
