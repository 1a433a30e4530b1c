//! What a reader of an execution's events sees, and that a slow one holds the executor back.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use codemode_client::{
    Approval, Call, CallStatus, ClientError, Event, ExecutionStream, NoTools, Request, Tool, ToolFailure, Tools, Value,
    json,
};
use codemode_proto::v1::{self, client_message::Message};
use tokio::sync::{mpsc, oneshot};

use crate::executor::{Server, finished, output, tool_call};

const CHUNK: usize = 64 << 10;

/// An event in one line.
fn line(event: Event) -> String {
    match event {
        Event::Stdout(bytes) => format!("out {}", String::from_utf8_lossy(&bytes)),
        Event::Stderr(bytes) => format!("err {}", String::from_utf8_lossy(&bytes)),
        Event::ToolCallStarted { call_id, name, arguments } => {
            format!("{call_id} {name} {}", String::from_utf8_lossy(&arguments))
        }
        Event::ToolProgress { call_id, message, fraction, .. } => format!("{call_id} {message} {fraction:?}"),
        Event::ApprovalRequested { call_id, reason, .. } => format!("{call_id} {reason}"),
        Event::ToolCallFinished { call_id, status, error, .. } => {
            format!("{call_id} {status} {}", error.unwrap_or_default())
        }
        Event::Finished(Ok(outcome)) => format!("finished {}", outcome.report.outcome),
        Event::Finished(Err(error)) => format!("finished {}", error.code()),
        other => format!("{other:?}"),
    }
}

async fn lines(mut events: ExecutionStream) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(event) = events.next().await {
        lines.push(line(event));
    }
    assert!(events.next().await.is_none());
    lines
}

#[tokio::test]
async fn events_come_in_the_order_of_what_happens() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, _) = peer.started().await;
        peer.send(&id, output("a"));
        for (number, name) in (1..).zip(["steps", "fails", "asks", "nosuch"]) {
            peer.send(&id, tool_call(number, name, r#"{"x":1}"#));
            while !matches!(peer.receive().await, Some((_, Message::ToolResult(_)))) {}
            peer.send(&id, output("b"));
        }
        peer.send(&id, finished("null"));
        while peer.receive().await.is_some() {}
    });
    let kept: Arc<Mutex<Option<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let steps = Tool::with_call("steps", "Has steps", move |_: Value, call: Call| {
        *keep.lock().unwrap() = Some(call.clone());
        async move {
            call.progress("half", 0.5);
            call.progress("too much", 7.0);
            call.progress("unknown", f64::NAN);
            Ok(json!(1))
        }
    });
    // What is told of a call after its end is nobody's.
    let fails = Tool::new("fails", "Fails", move |_: Value| {
        if let Some(call) = &*kept.lock().unwrap() {
            call.progress("late", None);
        }
        async { Err::<Value, _>(ToolFailure::new("ValueError", "wrong")) }
    });
    let asks = Tool::new("asks", "Asks", |_: Value| async { Ok(json!(1)) }).approval(Approval::ask());
    let tools = Tools::of([steps, fails, asks]).unwrap().on_approval(|_| async { false });
    let events = server.client().stream(Request::new("…"), Arc::new(tools));
    assert_eq!(
        lines(events).await,
        [
            "out a",
            r#"1 steps {"x":1}"#,
            "1 half Some(0.5)",
            "1 too much Some(1.0)",
            "1 unknown None",
            "1 ok ",
            "out b",
            r#"2 fails {"x":1}"#,
            "2 error wrong",
            "out b",
            r#"3 asks {"x":1}"#,
            "3 this call needs approval",
            "3 denied the call of tool 'asks' was denied: the application said no (this call needs approval)",
            "out b",
            r#"4 nosuch {"x":1}"#,
            "4 error no tool 'nosuch' (available tools: steps, fails, asks)",
            "out b",
            "finished ok",
        ]
    );
}

#[tokio::test]
async fn every_call_that_began_has_an_end() {
    const LONG: u32 = 600_000;
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, _) = peer.started().await;
        for (call_id, timeout_ms) in [(1, 0), (2, LONG), (3, LONG)] {
            peer.send(&id, v1::ToolCall { timeout_ms: timeout_ms.into(), ..tool_call(call_id, "hangs", "{}") });
        }
        peer.send(&id, v1::ToolCallAbandoned { call_id: 1, timed_out: true });
        peer.send(&id, v1::ToolCallAbandoned { call_id: 2, timed_out: false });
        peer.fail(tonic::Status::unavailable("gone"));
    });
    let hangs = Tool::new("hangs", "Hangs", |_: Value| std::future::pending::<Result<Value, ToolFailure>>());
    let mut events = server.client().stream(Request::new("…"), Arc::new(Tools::of([hangs]).unwrap()));
    let mut ended = Vec::new();
    let last = loop {
        match events.next().await.unwrap() {
            Event::ToolCallFinished { call_id, status, .. } => ended.push((call_id, status)),
            Event::Finished(outcome) => break outcome,
            _ => {}
        }
    };
    assert_eq!(ended, [(1, CallStatus::Timeout), (2, CallStatus::Abandoned), (3, CallStatus::Abandoned)]);
    assert!(matches!(last, Err(ClientError::Lost { .. })), "{last:?}");
}

#[tokio::test]
async fn a_slow_reader_holds_the_executor_back() {
    const CHUNKS: usize = 256;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let (half, mut halfway) = mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let (sent, half) = (Arc::clone(&counter), half.clone());
        async move {
            peer.greet().await;
            let (id, start) = peer.started().await;
            let mut credit = start.output_credit;
            while sent.load(Ordering::Relaxed) < CHUNKS {
                if credit >= CHUNK as u64 {
                    credit -= CHUNK as u64;
                    peer.send(&id, output(&"x".repeat(CHUNK)));
                    if sent.fetch_add(1, Ordering::Relaxed) == 15 {
                        half.send(()).unwrap();
                    }
                    continue;
                }
                match peer.receive().await {
                    Some((_, Message::Credit(more))) => credit += more.bytes,
                    // Another one, which nobody holds back.
                    Some((other, Message::Start(_))) => peer.send(&other, finished("1")),
                    other => panic!("{other:?}"),
                }
            }
            peer.send(&id, finished("1"));
            while peer.receive().await.is_some() {}
        }
    });
    let client = server.client();
    let mut events = client.stream(Request::new("…"), Arc::new(NoTools));
    halfway.recv().await.unwrap();
    for _ in 0..20 {
        client.execute(Request::new("…"), Arc::new(NoTools), |_, _| ()).await.unwrap();
    }
    // What waits here, and the credit that was given before.
    assert!(sent.load(Ordering::Relaxed) <= 2 * 16, "{sent:?}");
    let mut read = 0;
    while let Some(event) = events.next().await {
        if let Event::Stdout(bytes) = event {
            read += bytes.len();
        }
    }
    assert_eq!(read, CHUNKS * CHUNK);
}

#[tokio::test]
async fn dropping_the_stream_cancels_and_cancelling_it_reports() {
    let (told, cancelled) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let server = Server::start(move |mut peer| {
        let told = told.lock().unwrap().take().unwrap();
        async move {
            peer.greet().await;
            let (id, _) = peer.started().await;
            peer.send(&id, output("a"));
            assert!(matches!(peer.receive().await, Some((other, Message::Cancel(_))) if id == other));
            told.send(()).unwrap();
            let (id, _) = peer.started().await;
            peer.send(&id, output("b"));
            assert!(matches!(peer.receive().await, Some((other, Message::Cancel(_))) if id == other));
            peer.send(&id, v1::Finished { outcome: "cancelled".into(), exit_code: 143, ..finished("") });
            while peer.receive().await.is_some() {}
        }
    });
    let client = server.client();
    let mut events = client.stream(Request::new("…"), Arc::new(NoTools));
    assert!(matches!(events.next().await, Some(Event::Stdout(_))));
    drop(events);
    cancelled.await.unwrap();

    let mut events = client.stream(Request::new("…"), Arc::new(NoTools));
    assert!(matches!(events.next().await, Some(Event::Stdout(_))));
    events.cancel();
    assert_eq!(lines(events).await, ["finished cancelled"]);
}
