use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use codemode_client::{
    Client, ClientError, ClientOptions, ExecutionOutcome, NoTools, Request, Tool, Tools, Value, json,
};
use codemode_proto::v1::{self, client_message::Message, tool_result};
use codemode_types::{OutputStream, ToolFailure};
use tokio::sync::oneshot;

use crate::executor::{Server, finished, output, tool_call};

async fn run(client: &Client, code: &str) -> Result<ExecutionOutcome, ClientError> {
    client.execute(Request::new(code), Arc::new(NoTools), |_, _| ()).await
}

#[tokio::test]
async fn executions_share_one_stream_and_end_in_any_order() {
    let streams = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&streams);
    let server = Server::start(move |mut peer| {
        seen.fetch_add(1, Ordering::Relaxed);
        async move {
            peer.greet().await;
            let (first, one) = peer.started().await;
            let (second, two) = peer.started().await;
            assert_ne!(first, second);
            for (id, start) in [(second, two), (first, one)] {
                peer.send(&id, output(&id));
                peer.send(&id, finished(std::str::from_utf8(&start.code).unwrap()));
            }
            while peer.receive().await.is_some() {}
        }
    });
    let client = server.client();
    let (one, two) = tokio::join!(run(&client, "1"), run(&client, "2"));
    for (outcome, result) in [(one.unwrap(), "1"), (two.unwrap(), "2")] {
        assert_eq!(outcome.report.result.as_deref(), Some(result.as_bytes()));
        assert_eq!(outcome.stdout, outcome.report.execution_id.as_str().as_bytes());
    }
    assert_eq!(streams.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn tool_calls_run_together_and_are_answered_by_id() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, start) = peer.started().await;
        assert_eq!(start.tools[0].name, "double");
        peer.send(&id, tool_call(1, "double", r#"{"x":2}"#));
        peer.send(&id, tool_call(2, "double", r#"{"x":9007199254740993}"#));
        peer.send(&id, tool_call(3, "duoble", "{}"));
        peer.send(&id, tool_call(4, "panics", "{}"));
        let mut answers = Vec::new();
        while answers.len() < 4 {
            let Some((_, Message::ToolResult(result))) = peer.receive().await else { panic!("no result") };
            answers.push((result.call_id, result.outcome.unwrap()));
        }
        answers.sort_by_key(|(id, _)| *id);
        let value = |text: &str| tool_result::Outcome::Value(text.as_bytes().to_vec());
        assert_eq!(answers[0].1, value("4"));
        assert_eq!(answers[1].1, value("18014398509481986"));
        let kind = |answer: &tool_result::Outcome| match answer {
            tool_result::Outcome::Failure(failure) => failure.r#type.clone(),
            tool_result::Outcome::Value(_) => "value".into(),
        };
        assert_eq!((kind(&answers[2].1), kind(&answers[3].1)), ("ToolNotFound".into(), "Panic".into()));
        peer.send(&id, finished("null"));
        while peer.receive().await.is_some() {}
    });
    // Both calls must be under way before either may go on.
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let double = Tool::new("double", "Twice as much", move |arguments: Value| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            let x = arguments["x"].as_i64().ok_or_else(|| ToolFailure::new("TypeError", "x"))?;
            Ok(json!(x * 2))
        }
    });
    fn panics() -> Vec<u8> {
        panic!("as announced")
    }
    let panics = Tool::raw("panics", "Panics", |_, _| async { Ok(panics()) });
    let tools = Tools::of([double, panics]).unwrap();
    server.client().execute(Request::new("…"), Arc::new(tools), |_, _| ()).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_call_is_dropped() {
    struct Told(Option<oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (running, mut ran) = tokio::sync::mpsc::unbounded_channel();
    let (told, dropped) = oneshot::channel();
    let (ran_in, told_in) = (running, std::sync::Mutex::new(Some(Told(Some(told)))));
    let hangs = Tool::raw("hangs", "Hangs", move |_, _| {
        let (running, told) = (ran_in.clone(), told_in.lock().unwrap().take());
        async move {
            let _told = told;
            running.send(()).unwrap();
            std::future::pending().await
        }
    });
    let tools = Tools::of([hangs]).unwrap();
    let (go, gone) = oneshot::channel();
    let signals = std::sync::Mutex::new(Some((gone, dropped)));
    let server = Server::start(move |mut peer| {
        let (gone, dropped) = signals.lock().unwrap().take().unwrap();
        async move {
            peer.greet().await;
            let (id, _) = peer.started().await;
            peer.send(&id, tool_call(7, "hangs", "{}"));
            gone.await.unwrap();
            peer.send(&id, v1::ToolCallAbandoned { call_id: 7, timed_out: false });
            dropped.await.unwrap();
            peer.send(&id, finished("1"));
            while peer.receive().await.is_some() {}
        }
    });
    let client = server.client();
    let execution = client.execute(Request::new("…"), Arc::new(tools), |_, _| ());
    let (outcome, ()) = tokio::join!(execution, async {
        ran.recv().await.unwrap();
        go.send(()).unwrap();
    });
    outcome.unwrap();
}

#[tokio::test]
async fn credit_follows_what_was_consumed() {
    const CHUNK: usize = 64 << 10;
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, start) = peer.started().await;
        let mut credit = start.output_credit;
        assert_eq!(credit, 1 << 20);
        for _ in 0..64 {
            while credit < CHUNK as u64 {
                let Some((_, Message::Credit(more))) = peer.receive().await else { panic!("no credit") };
                credit += more.bytes;
            }
            credit -= CHUNK as u64;
            peer.send(&id, output(&"x".repeat(CHUNK)));
        }
        peer.send(&id, finished("1"));
        while peer.receive().await.is_some() {}
    });
    let mut seen = 0;
    let count = |stream: OutputStream, data: &[u8]| {
        assert_eq!(stream, OutputStream::Stdout);
        seen += data.len();
    };
    let outcome = server.client().execute(Request::new("…"), Arc::new(NoTools), count).await.unwrap();
    assert_eq!((seen, outcome.stdout.len()), (64 * CHUNK, 64 * CHUNK));
}

#[tokio::test]
async fn dropping_cancels_and_cancelling_reports() {
    let (told, cancelled) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let server = Server::start(move |mut peer| {
        let told = told.lock().unwrap().take().unwrap();
        async move {
            peer.greet().await;
            let (dropped, _) = peer.started().await;
            peer.send(&dropped, output("a"));
            assert!(matches!(peer.receive().await, Some((id, Message::Cancel(_))) if id == dropped));
            told.send(()).unwrap();
            let (id, _) = peer.started().await;
            peer.send(&id, output("partial"));
            assert!(matches!(peer.receive().await, Some((other, Message::Cancel(_))) if id == other));
            peer.send(&id, v1::Finished { outcome: "cancelled".into(), exit_code: 143, ..finished("") });
            while peer.receive().await.is_some() {}
        }
    });
    let client = server.client();
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let first = client.execute(Request::new("…"), Arc::new(NoTools), |_, _| began.send(()).unwrap());
    tokio::select! {
        _ = first => panic!("it cannot end"),
        Some(()) = begun.recv() => {}
    }
    cancelled.await.unwrap();

    let request = Request::new("…");
    let token = request.cancel.clone();
    let outcome = client.execute(request, Arc::new(NoTools), |_, _| token.cancel()).await.unwrap();
    assert_eq!((outcome.report.exit_code, &outcome.stdout[..]), (143, &b"partial"[..]));
}

#[tokio::test]
async fn tcp_is_spoken_under_both_names() {
    let server = Server::start(|mut peer| async move {
        peer.greet().await;
        let (id, _) = peer.started().await;
        peer.send(&id, finished("4"));
        while peer.receive().await.is_some() {}
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = server.socket();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut executor = tokio::net::UnixStream::connect(&upstream).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut executor).await });
        }
    });
    for url in [format!("http://localhost:{port}/"), format!("grpc://127.0.0.1:{port}")] {
        let client = Client::connect(ClientOptions { url, ..server.options() }).unwrap();
        assert_eq!(run(&client, "2 + 2").await.unwrap().report.result.as_deref(), Some(&b"4"[..]));
    }
}
