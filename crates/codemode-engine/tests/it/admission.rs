use std::time::Duration;

use codemode_engine::ExecutionRequest;
use codemode_types::{ErrorCode, Outcome};
use serde_json::json;

use crate::harness::{await_word, echo, engine, finish, request, run, tool};

const HOLD: &str = "print('here', flush=True)\ntools['echo'].run()\n'held'";

#[tokio::test]
async fn what_cannot_run_is_refused_before_anything_runs() {
    let engine = engine(json!({"limits": {"max_code_length": 10}})).await;
    let refused = |request: ExecutionRequest| engine.execute(request).unwrap_err().code;
    assert_eq!(refused(request(&engine, "")), ErrorCode::InvalidCode);
    assert_eq!(refused(request(&engine, "a\0b")), ErrorCode::InvalidCode);
    assert_eq!(refused(ExecutionRequest { code: b"\xff".to_vec(), ..request(&engine, "1") }), ErrorCode::InvalidCode);
    assert_eq!(refused(request(&engine, "12345678901")), ErrorCode::CodeTooLong);
    let tools = vec![tool("a"), tool("a")];
    assert_eq!(refused(ExecutionRequest { tools, ..request(&engine, "1") }), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn beyond_the_queue_is_overloaded_and_the_queued_run_in_order() {
    let engine = engine(json!({"max_concurrent_executions": 1, "queue": 2})).await;
    let mut first = engine.execute(request(&engine, HOLD)).unwrap();
    await_word(&mut first, "here\n").await;
    let second = engine.execute(request(&engine, "2")).unwrap();
    let third = engine.execute(request(&engine, "3")).unwrap();
    let refused = engine.execute(request(&engine, "4")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.code.retryable());
    drop(second);
    let fourth = loop {
        // Who left is noticed at the next turn of the event loop.
        tokio::task::yield_now().await;
        match engine.execute(request(&engine, "4")) {
            Ok(fourth) => break fourth,
            Err(refused) => assert_eq!(refused.code, ErrorCode::Overloaded),
        }
    };
    assert_eq!(finish(first, echo).await.result(), "\"held\"");
    assert_eq!(finish(third, echo).await.result(), "3");
    assert_eq!(finish(fourth, echo).await.result(), "4");
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    let engine = engine(json!({"max_concurrent_executions": 1})).await;
    let mut first = engine.execute(request(&engine, HOLD)).unwrap();
    await_word(&mut first, "here\n").await;
    // Zeros that nobody touches cost no memory here.
    let large = || ExecutionRequest { context: vec![0; 100 << 20], ..request(&engine, "1") };
    let waiting = [engine.execute(large()).unwrap(), engine.execute(large()).unwrap()];
    let refused = engine.execute(large()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.message.contains("2 wait with 2097") && refused.message.contains("256 MiB"), "{}", refused.message);
    let small = engine.execute(request(&engine, "2")).unwrap();
    drop(waiting);
    assert_eq!(finish(first, echo).await.result(), "\"held\"");
    assert_eq!(finish(small, echo).await.result(), "2");
}

#[tokio::test]
async fn a_dropped_execution_gives_its_place_back() {
    let engine = engine(json!({"max_concurrent_executions": 1, "queue": 1})).await;
    let mut first = engine.execute(request(&engine, "print('here', flush=True)\nwhile True: pass")).unwrap();
    await_word(&mut first, "here\n").await;
    drop(first);
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
}

#[tokio::test]
async fn a_drain_waits_refuses_and_kills_the_rest() {
    let engine = engine(json!({})).await;
    let mut endless = engine.execute(request(&engine, "print('here', flush=True)\nwhile True: pass")).unwrap();
    await_word(&mut endless, "here\n").await;
    let (ran, ()) = tokio::join!(finish(endless, echo), engine.drain(Duration::from_millis(100)));
    assert_eq!(ran.outcome(), Outcome::Interrupted);
    assert_eq!(engine.execute(request(&engine, "1")).unwrap_err().code, ErrorCode::Draining);
}

#[tokio::test]
async fn a_drain_lets_live_ones_finish() {
    let engine = engine(json!({})).await;
    let mut live = engine.execute(request(&engine, HOLD)).unwrap();
    await_word(&mut live, "here\n").await;
    let (ran, ()) = tokio::join!(finish(live, echo), engine.drain(Duration::from_secs(60)));
    assert_eq!(ran.result(), "\"held\"");
}
