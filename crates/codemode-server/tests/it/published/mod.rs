//! The published package's protocol, against an application and a client of the smallest kind. The package itself is in
//! tests/frameworks/opencodemode.

mod application;
mod hostile;

use std::{fs, time::Duration};

use codemode_proto::compat::{
    ExecutionRequest, ExecutionResponse, ToolCallResponse, ToolInfo, ToolSchema,
    executor_service_client::ExecutorServiceClient,
    google::{Struct, Value, value::Kind},
};
use codemode_server::ApiKeys;
use serde_json::json;
use tonic::{Code, Request, Status, service::interceptor::InterceptedService, transport::Channel};

use self::application::Application;
use crate::support::{ENDLESS, KEY, Served, WithKey, block_on, serve, serve_dialling};

type Client = ExecutorServiceClient<InterceptedService<Channel, WithKey>>;

async fn client(served: &Served) -> Client {
    ExecutorServiceClient::with_interceptor(served.channel().await, WithKey)
}

fn tool(name: &str) -> ToolInfo {
    ToolInfo { name: name.into(), ..ToolInfo::default() }
}

fn asking(code: &str, tools: &[&str]) -> ExecutionRequest {
    let available_tools = tools.iter().map(|name| (*name).to_owned()).collect();
    ExecutionRequest { code: code.into(), available_tools, ..ExecutionRequest::default() }
}

fn of(members: &[(&str, Kind)]) -> Struct {
    let member = |(name, kind): &(&str, Kind)| ((*name).to_owned(), Value { kind: Some(kind.clone()) });
    Struct { fields: members.iter().map(member).collect() }
}

fn answered(members: &[(&str, Kind)]) -> Result<ToolCallResponse, Status> {
    Ok(ToolCallResponse { success: true, result: Some(of(members)), ..ToolCallResponse::default() })
}

async fn dialling(application: &Application) -> Served {
    serve_dialling(&ApiKeys::new(&["the-new-key", KEY]), &application.target, json!({}), None).await
}

fn ask(mut client: Client, request: Request<ExecutionRequest>) -> tokio::task::JoinHandle<ExecutionResponse> {
    tokio::spawn(async move { client.execute(request).await.unwrap().into_inner() })
}

#[test]
fn the_application_hears_from_the_caller_and_of_the_code_only_the_arguments() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        let context = of(&[("variables", Kind::StructValue(of(&[("user", Kind::StringValue("ada".into()))])))]);
        let code = "context = correlation_id = 'forged'\nresult = tools['t'].run(context={'user': 'eve'}, n=7)";
        let mut request =
            Request::new(ExecutionRequest { context: Some(context.clone()), ..asking(code, &["t", "__list__"]) });
        request.metadata_mut().insert("x-correlation-id", "c-9".parse().unwrap());
        request.metadata_mut().insert("traceparent", "00-aa-bb-01".parse().unwrap());
        request.metadata_mut().insert("x-other", "stays here".parse().unwrap());
        let answer = ask(client(&served).await, request);
        let asked = application.next().await;
        assert_eq!((asked.call.tool_name.as_str(), asked.call.correlation_id.as_str()), ("t", "c-9"));
        assert_eq!(asked.call.context, Some(context));
        let forged = Kind::StructValue(of(&[("user", Kind::StringValue("eve".into()))]));
        assert_eq!(asked.call.arguments, Some(of(&[("context", forged), ("n", Kind::NumberValue(7.0))])));
        for metadata in [asked.metadata, application.listed.recv().await.unwrap()] {
            let said = |name: &str| metadata.get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(said("authorization").as_deref(), Some("Bearer the-new-key"));
            assert_eq!(said("x-correlation-id").as_deref(), Some("c-9"));
            assert_eq!(said("traceparent").as_deref(), Some("00-aa-bb-01"));
            assert_eq!(said("x-other"), None);
        }
        asked.reply.send(answered(&[("__codemode_value__", Kind::NumberValue(3.0))])).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!((answer.success, answer.result.as_str(), answer.correlation_id.as_str()), (true, "3", "c-9"));
    });
}

#[test]
fn a_caller_that_goes_away_ends_the_code_and_its_calls() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let policy = json!({"max_concurrent_executions": 1});
        let served = serve_dialling(&ApiKeys::new(&[KEY]), &application.target, policy, None).await;
        let answer = ask(client(&served).await, Request::new(asking("tools['t'].run()", &["t"])));
        let mut asked = application.next().await;
        answer.abort();
        asked.reply.closed().await;
        // Its place is free again.
        let next = client(&served).await.execute(asking("result = 1", &[])).await.unwrap().into_inner();
        assert_eq!(next.result, "1");
    });
}

#[test]
fn an_execution_that_is_over_asks_nothing_more_of_the_application() {
    block_on(async {
        let mut application = Application::with(vec![tool("waits"), tool("ends")]).await;
        let served = dialling(&application).await;
        let code = "
import os, threading
threading.Thread(target=tools['waits'].run, daemon=True).start()
tools['ends'].run()
os._exit(7)";
        let answer = ask(client(&served).await, Request::new(asking(code, &["waits", "ends"])));
        let mut both = [application.next().await, application.next().await];
        both.sort_by_key(|asked| asked.call.tool_name == "ends");
        let [mut waits, ends] = both;
        ends.reply.send(answered(&[])).unwrap();
        let answer = answer.await.unwrap();
        assert!(!answer.success && answer.error.contains('7'), "{answer:?}");
        waits.reply.closed().await;
    });
}

#[test]
fn what_an_application_answers_harms_nobody() {
    block_on(async {
        let odd = ToolInfo {
            input_schema: Some(ToolSchema { json_schema: "{\"a\":".repeat(9_000) }),
            output_schema: Some(ToolSchema { json_schema: "[]".into() }),
            ..tool("odd")
        };
        let listed = vec![tool("odd"), odd, tool(""), tool(&"n".repeat(1 << 20)), tool("hidden")];
        let mut application = Application::with(listed).await;
        let policy = json!({"limits": {"value_bytes": "64k"}});
        let served = serve_dialling(&ApiKeys::new(&[KEY]), &application.target, policy, None).await;
        let code = "
def said(*arguments):
    try:
        return tools['odd'].run(*arguments)
    except ToolError as error:
        return str(error)
result = [said() for _ in range(5)]
assert 'hidden' not in tools";
        let answer = ask(client(&served).await, Request::new(asking(code, &["odd"])));
        let mut large = "x".repeat(128 << 10);
        application.next().await.reply.send(answered(&[("v", Kind::StringValue(large.clone()))])).unwrap();
        large = "x".repeat(2 << 20);
        application.next().await.reply.send(answered(&[("v", Kind::StringValue(large))])).unwrap();
        application.next().await.reply.send(Err(Status::unauthenticated("who are you?"))).unwrap();
        application.next().await.reply.send(Ok(ToolCallResponse::default())).unwrap();
        let tag = [("$codemode", Kind::StringValue("repr".into())), ("v", Kind::NumberValue(1.0))];
        application.next().await.reply.send(answered(&tag)).unwrap();
        let answer = answer.await.unwrap();
        assert!(answer.success, "{answer:?}");
        let said: Vec<serde_json::Value> = serde_json::from_str(&answer.result).unwrap();
        for (said, word) in
            said.iter().zip(["limits.value_bytes", "refused the call", "who are you?", "does not say why"])
        {
            assert!(said.as_str().unwrap().contains(word), "{said}");
        }
        assert_eq!(said[4]["v"], 1);
    });
}

#[test]
fn what_waits_for_an_application_is_bounded() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        let code = "
import threading
text, said, refused = 'x' * (3 << 20), [], threading.Semaphore(0)
def call():
    try:
        tools['t'].run(text=text)
    except ToolError as error:
        said.append(str(error))
        refused.release()
threads = [threading.Thread(target=call) for _ in range(9)]
for thread in threads:
    thread.start()
for _ in range(4):
    refused.acquire()
tools['t'].run()
for thread in threads:
    thread.join()
tools['t'].run(text=text)
result = said";
        let answer = ask(client(&served).await, Request::new(asking(code, &["t"])));
        let mut waiting = Vec::new();
        while waiting.len() < 6 {
            waiting.push(application.next().await);
        }
        for asked in waiting {
            asked.reply.send(answered(&[])).unwrap();
        }
        // There is room again.
        application.next().await.reply.send(answered(&[])).unwrap();
        let answer = answer.await.unwrap();
        let said: Vec<String> = serde_json::from_str(&answer.result).unwrap();
        let refused = said.iter().filter(|said| said.contains("bytes would be under way at once")).count();
        assert_eq!((said.len(), refused), (4, 4), "{said:?}");
    });
}

#[test]
fn only_what_ran_nothing_ends_with_a_status_that_clients_repeat() {
    block_on(async {
        let mut served = serve(json!({"max_concurrent_executions": 1, "queue": 0})).await;
        let running = served.running.take().unwrap();
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        stream.of("a").await;
        let mut client = client(&served).await;
        let status = client.execute(asking("1", &[])).await.unwrap_err();
        assert_eq!(
            (status.code(), status.metadata().get("codemode-error-code").is_some()),
            (Code::ResourceExhausted, true)
        );
        let drained = tokio::spawn(running.drain(Duration::from_secs(60)));
        while client.execute(asking("1", &[])).await.unwrap_err().code() != Code::Unavailable {}
        drop(stream);
        drained.await.unwrap();
    });
}

#[test]
fn the_end_of_the_callers_patience_is_an_answer() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut request = Request::new(asking("import time\ntime.sleep(600)", &[]));
        request.set_timeout(Duration::from_secs(2));
        let answer = client(&served).await.execute(request).await.unwrap().into_inner();
        assert_eq!((answer.success, answer.error_type.as_str()), (false, "Timeout"));
        assert!(answer.error.contains("the caller's own deadline"), "{}", answer.error);
    });
}

#[test]
fn no_key_no_code_and_probes_tell_nothing() {
    block_on(async {
        let mut application = Application::with(vec![tool("t")]).await;
        let served = dialling(&application).await;
        let mut stranger = ExecutorServiceClient::new(served.channel().await);
        assert_eq!(stranger.execute(asking("1", &[])).await.unwrap_err().code(), Code::Unauthenticated);
        for path in ["Execute", "Health/", "Health/x", "health", "Ready%2f", "", "Other"] {
            let headers = [("content-type", "application/grpc")];
            let answer = served.http("POST", &format!("/codemode.ExecutorService/{path}"), &headers, "").await;
            assert_eq!(answer.header("grpc-status"), Some("16"), "{path}: {}", answer.head);
        }
        let health = stranger.health(()).await.unwrap().into_inner();
        assert_eq!([health.status, health.version, health.main_app_target].join("|"), "healthy||");
        // However often it is asked, the application is not.
        for _ in 0..20 {
            assert_eq!(stranger.ready(()).await.unwrap().into_inner().status, "ready");
        }
        let mut asked = 0;
        while application.listed.try_recv().is_ok() {
            asked += 1;
        }
        assert!(asked < 20, "{asked}");
    });
}

#[test]
fn it_is_written_down_like_any_other_execution() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        let mut application = Application::with(vec![tool("t")]).await;
        let mut served = serve_dialling(&ApiKeys::new(&[KEY]), &application.target, json!({}), Some(&log)).await;
        let answer = ask(client(&served).await, Request::new(asking("tools['t'].run()", &["t"])));
        application.next().await.reply.send(answered(&[])).unwrap();
        assert!(answer.await.unwrap().success);
        let refused = client(&served).await.execute(asking("1", &["absent"])).await.unwrap().into_inner();
        assert_eq!(refused.error_type, "ToolNotFound");
        served.running.take().unwrap().drain(Duration::ZERO).await;
        let lines: Vec<serde_json::Value> =
            fs::read_to_string(&log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["daemon_start", "start", "tool_call", "tool_call", "end", "refusal", "daemon_stop"]);
        assert!(lines[1..6].iter().all(|line| line["principal"].as_str().unwrap().starts_with("key:")));
    });
}

#[test]
fn our_own_services_are_undisturbed() {
    block_on(async {
        let application = Application::with(Vec::new()).await;
        let served = dialling(&application).await;
        let mut stream = served.connect().await;
        stream.start("a", "6 * 7");
        assert_eq!(stream.finished("a").await.result.unwrap(), b"42");
        assert_eq!(served.post(&json!({"code": "6 * 7"})).await.json()["result"], 42);
    });
}
