//! A message over the executor's cap would end the stream: nothing of the kind is ever sent.

use std::sync::Arc;

use codemode_client::{Client, ClientError, ExecutionOutcome, NoTools, Request, Tool, Tools};
use codemode_proto::v1::{client_message::Message, tool_result::Outcome};
use codemode_types::{ErrorCode, ToolFailure};

use crate::executor::{Server, finished, tool_call};

const MIB: usize = 1 << 20;

async fn run(client: &Client, request: Request) -> Result<ExecutionOutcome, ClientError> {
    client.execute(request, Arc::new(NoTools), |_, _| ()).await
}

#[tokio::test]
async fn an_over_long_request_is_refused_before_it_is_sent() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, start) = peer.started().await;
        assert_eq!(start.code, b"fits");
        peer.send(&id, finished("1"));
        while peer.receive().await.is_some() {}
    });
    let client = server.client();
    let refused = async |request: Request| match run(&client, request).await {
        Err(ClientError::Rejected { rejection, .. }) => (rejection.code, rejection.message),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(Request::new("é".repeat(100_001))).await,
        (
            ErrorCode::CodeTooLong,
            "the code is 100001 characters long; at most 50000 are allowed (limits.max_code_length)".into()
        )
    );
    let context = Request { context: vec![b'1'; 16 * MIB + 1], ..Request::default() };
    let (code, message) = refused(context).await;
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.starts_with("the context takes 16777217 bytes; at most 16"), "{message}");
    let (_, message) = refused(Request { config: vec![b'1'; 17 * MIB], ..Request::default() }).await;
    assert!(message.starts_with("the config takes"), "{message}");
    let tools = Tools::of([Tool::raw("t", "x".repeat(41 * MIB), |_, _| async { Ok(Vec::new()) })]).unwrap();
    let error = client.execute(Request::new("1"), Arc::new(tools), |_, _| ()).await.unwrap_err();
    assert!(error.to_string().contains("schemas of the 1 tools take"), "{error}");
    // The stream has seen none of it.
    assert_eq!(run(&client, Request::new("fits")).await.unwrap().report.result.as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn an_over_long_answer_of_a_tool_becomes_a_failure() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, _) = peer.started().await;
        peer.send(&id, tool_call(1, "value", "{}"));
        peer.send(&id, tool_call(2, "failure", "{}"));
        let mut failures = Vec::new();
        while failures.len() < 2 {
            let Some((_, Message::ToolResult(result))) = peer.receive().await else { panic!("no result") };
            let Some(Outcome::Failure(failure)) = result.outcome else { panic!("a value") };
            failures.push((result.call_id, failure));
        }
        failures.sort_by_key(|(id, _)| *id);
        assert_eq!(failures[0].1.r#type, "ToolResultTooLarge");
        assert!(failures[0].1.message.starts_with("the result is 16777217 bytes long; at most 16"));
        assert_eq!((failures[1].1.r#type.as_str(), failures[1].1.message.chars().count()), ("Loud", 1001));
        peer.send(&id, finished("1"));
        while peer.receive().await.is_some() {}
    });
    let tools = Tools::of([
        Tool::raw("value", "Much", |_, _| async { Ok(vec![b'1'; 16 * MIB + 1]) }),
        Tool::raw("failure", "Fails", |_, _| async { Err(ToolFailure::new("Loud", "é".repeat(16 * MIB))) }),
    ])
    .unwrap();
    let outcome = server.client().execute(Request::new("1"), Arc::new(tools), |_, _| ()).await.unwrap();
    assert_eq!(outcome.report.result.as_deref(), Some(&b"1"[..]));
}
