//! What the Rust client promises, with an executor of its own.

use std::{fs, sync::Arc, time::Duration};

use codemode_client::{
    Approval, Call, CallStatus, Client, EmbeddedOptions, Event, ExecutionOutcome, LimitOverrides, NoTools, Outcome,
    Request, Tool, ToolCallStatus, ToolFailure, Tools, Value, json, save,
};
use tokio::sync::watch;

fn client() -> Client {
    Client::embedded(EmbeddedOptions::new(env!("CARGO_BIN_EXE_codemode"))).unwrap()
}

async fn run(client: &Client, request: Request, tools: Tools) -> ExecutionOutcome {
    client.execute(request, Arc::new(tools), |_, _| ()).await.unwrap()
}

/// A tool that never answers.
fn hangs(name: &str, timeout: Duration) -> Tool {
    Tool::new(name, "Never answers", |_: Value| std::future::pending::<Result<Value, ToolFailure>>()).timeout(timeout)
}

#[tokio::test]
async fn a_person_may_take_longer_than_a_call() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let code = "
results = tools.gather(tools['ask'].arun(), tools['hang'].arun(), return_exceptions=True)
[results[0], type(results[1]).__name__]";
    // The person answers once a call with the same timeout, made at the same time, has run out of it.
    let (told, timed_out) = watch::channel(false);
    let ask = Tool::new("ask", "Asks", |_: Value| async { Ok("allowed") }).timeout(TIMEOUT).approval(Approval::ask());
    let tools = Tools::of([ask, hangs("hang", TIMEOUT)]).unwrap().on_approval(move |_| {
        let mut timed_out = timed_out.clone();
        async move { timed_out.wait_for(|over| *over).await.is_ok() }
    });
    let client = client();
    let mut events = client.stream(Request::new(code), Arc::new(tools));
    let mut seen = Vec::new();
    let outcome = loop {
        match events.next().await.unwrap() {
            Event::ApprovalRequested { name, .. } => seen.push(format!("{name} asked")),
            Event::ToolCallFinished { name, status, .. } => {
                if status == CallStatus::Timeout {
                    told.send(true).unwrap();
                }
                seen.push(format!("{name} {status}"));
            }
            Event::Finished(outcome) => break outcome.unwrap(),
            _ => {}
        }
    };
    assert_eq!(seen, ["ask asked", "hang timeout", "ask ok"]);
    assert_eq!(outcome.result::<Vec<String>>().unwrap().unwrap(), ["allowed", "ToolTimeout"]);
    let calls: Vec<_> = outcome.report.tool_calls.iter().map(|call| (call.name.as_str(), call.status)).collect();
    assert!(calls.contains(&("ask", ToolCallStatus::Ok)) && calls.contains(&("hang", ToolCallStatus::Timeout)));
}

#[tokio::test]
async fn a_no_is_an_error_that_the_code_can_catch() {
    let pay = Tool::new("pay", "Pays", |_: Value| async { Ok("paid") }).approval(Approval::deny());
    let code = "
try:
    tools['pay'].run()
except ToolError as error:
    seen = [error.error_type, str(error)]
seen";
    let outcome = run(&client(), Request::new(code), Tools::of([pay]).unwrap()).await;
    let [kind, message]: [String; 2] = outcome.result().unwrap().unwrap();
    assert_eq!(kind, "ApprovalDenied");
    assert!(message.contains("the call of tool 'pay' was denied: this call is not allowed"), "{message}");
    let call = &outcome.report.tool_calls[0];
    assert!(call.status == ToolCallStatus::Error && call.error.contains("was denied"), "{call:?}");
}

#[tokio::test]
async fn the_number_of_calls_is_bounded() {
    let touch = Tool::new("touch", "Does nothing", |_: Value| async { Ok(json!(null)) });
    let overrides = LimitOverrides { max_tool_calls: Some(3), ..LimitOverrides::default() };
    let request = Request { overrides, ..Request::new("for _ in range(9): tools['touch'].run()") };
    let outcome = run(&client(), request, Tools::of([touch]).unwrap()).await;
    assert_eq!(outcome.report.outcome, Outcome::ToolCallLimit);
    let done = outcome.report.tool_calls.iter().filter(|call| call.status == ToolCallStatus::Ok).count();
    assert_eq!(done, 3);
}

#[tokio::test]
async fn calls_that_cannot_work_are_found_before_the_code_runs() {
    let weather = Tool::new("weather", "Weather", |_: Value| async { Ok(json!(21)) })
        .input_schema(&json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}));
    let tools = Tools::of([weather]).unwrap();
    let client = client();
    let code = "print('began')\ntools['wether'].run(city='Oslo')";
    let outcome = run(&client, Request::new(code), tools.clone()).await;
    let failure = outcome.report.failure.unwrap();
    assert_eq!((outcome.stdout.as_slice(), failure.error_type.as_str()), (&b""[..], "ToolCheckError"));
    assert!(failure.message.contains("weather"), "{}", failure.message);
    let request = Request { skip_tool_check: true, ..Request::new(code) };
    let outcome = run(&client, request, tools).await;
    assert_eq!((outcome.stdout.as_slice(), outcome.report.outcome), (&b"began\n"[..], Outcome::Error));
    assert_ne!(outcome.report.failure.unwrap().error_type, "ToolCheckError");
}

#[tokio::test]
async fn values_and_files_come_back_as_they_were() {
    let code = "
import pathlib
folder = pathlib.Path('/outputs/plots')
folder.mkdir()
(folder / 'a.svg').write_text('<svg/>')
(context['user'], 2**63 + context['number'], tools['half'].run(x=3))";
    let half = Tool::with_call("half", "One half", |arguments: Value, call: Call| async move {
        assert_eq!(call.context()["user"], "ada");
        Ok(arguments["x"].as_f64().unwrap_or_default() / 2.0)
    });
    let request = Request { artifact_bytes: 1 << 20, ..Request::new(code) };
    let request = request.context(&json!({"user": "ada", "number": 1})).unwrap();
    let outcome = run(&client(), request, Tools::of([half]).unwrap()).await;
    let (user, number, half): (String, u64, f64) = outcome.result().unwrap().unwrap();
    assert_eq!((user.as_str(), number, half), ("ada", (1 << 63) + 1, 1.5));
    assert!(outcome.result::<(String, i64, f64)>().is_err());

    let [artifact] = outcome.report.artifacts.as_slice() else { panic!("{:?}", outcome.report.artifacts) };
    assert_eq!((artifact.path.as_str(), artifact.data.as_deref()), ("plots/a.svg", Some(&b"<svg/>"[..])));
    let folder = tempfile::tempdir().unwrap();
    let saved = save(artifact, folder.path()).unwrap();
    assert_eq!(saved, folder.path().join("plots/a.svg"));
    assert_eq!(fs::read(saved).unwrap(), b"<svg/>");
}

#[tokio::test]
async fn output_and_calls_are_told_in_order() {
    let step = Tool::with_call("step", "A step", |arguments: Value, call: Call| async move {
        call.progress(format!("step {}", arguments["n"]), 1.0);
        Ok(arguments["n"].clone())
    });
    let code = "
for n in range(3):
    print('before', n, flush=True)
    tools['step'].run(n=n)";
    let client = client();
    let mut events = client.stream(Request::new(code), Arc::new(Tools::of([step]).unwrap()));
    let mut seen = String::new();
    while let Some(event) = events.next().await {
        seen += &match event {
            Event::Stdout(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Event::ToolCallStarted { name, .. } => format!("{name} began\n"),
            Event::ToolProgress { message, .. } => format!("{message}\n"),
            Event::ToolCallFinished { status, .. } => format!("{status}\n"),
            Event::Finished(outcome) => format!("finished {}\n", outcome.unwrap().report.outcome),
            other => panic!("{other:?}"),
        };
    }
    let each = |n: u8| format!("before {n}\nstep began\nstep {n}\nok\n");
    assert_eq!(seen, each(0) + &each(1) + &each(2) + "finished ok\n");
}

#[tokio::test]
async fn dropping_a_stream_ends_its_sandbox() {
    let options = EmbeddedOptions {
        policy: Some(json!({"max_concurrent_executions": 1})),
        ..EmbeddedOptions::new(env!("CARGO_BIN_EXE_codemode"))
    };
    let client = Client::embedded(options).unwrap();
    let mut events = client.stream(Request::new("print('up', flush=True)\nwhile True: pass"), Arc::new(NoTools));
    assert!(matches!(events.next().await, Some(Event::Stdout(_))));
    drop(events);
    // There is room for one only.
    assert_eq!(run(&client, Request::new("1"), Tools::new()).await.result::<u8>().unwrap(), Some(1));
    client.close().await;
}
