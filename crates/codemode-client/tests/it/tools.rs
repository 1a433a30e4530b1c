//! What becomes of a call on the application's side, and what of it travels.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use codemode_client::{Approval, ApprovalAction, ApprovalDecision, Call, Request, Tool, Tools, Value, json};
use codemode_proto::v1::{
    Info, ToolFailure, ToolResultCredit, client_message::Message, server_message::Message::Welcome,
    tool_result::Outcome,
};

use crate::executor::{Peer, Server, finished, info, tool_call};

/// What came back for a call: the clock's stops before it, and the answer.
#[derive(Debug)]
struct Answered {
    held: Vec<bool>,
    outcome: Outcome,
}

impl Answered {
    fn value(&self) -> Value {
        match &self.outcome {
            Outcome::Value(value) => serde_json::from_slice(value).unwrap(),
            Outcome::Failure(failure) => panic!("{failure:?}"),
        }
    }

    fn failure(&self) -> &ToolFailure {
        match &self.outcome {
            Outcome::Failure(failure) => failure,
            Outcome::Value(value) => panic!("{:?}", String::from_utf8_lossy(value)),
        }
    }
}

async fn answered(peer: &mut Peer) -> Answered {
    let mut held = Vec::new();
    loop {
        match peer.receive().await {
            Some((_, Message::ToolHeld(hold))) => held.push(hold.held),
            Some((_, Message::ToolResult(result))) => return Answered { held, outcome: result.outcome.unwrap() },
            other => panic!("{other:?}"),
        }
    }
}

/// Makes these calls, one after the other.
async fn called(tools: Tools, request: Request, calls: &[(&str, &str)]) -> Vec<Answered> {
    let calls: Vec<(String, String)> = calls.iter().map(|(name, given)| ((*name).into(), (*given).into())).collect();
    let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let (calls, sender) = (calls.clone(), sender.clone());
        async move {
            peer.greet().await;
            let (id, _) = peer.started().await;
            for (number, (name, arguments)) in (1..).zip(&calls) {
                peer.send(&id, tool_call(number, name, arguments));
                sender.send(answered(&mut peer).await).unwrap();
            }
            peer.send(&id, finished("null"));
            while peer.receive().await.is_some() {}
        }
    });
    server.client().execute(request, Arc::new(tools), |_, _| ()).await.unwrap();
    std::iter::from_fn(|| answers.try_recv().ok()).collect()
}

#[tokio::test]
async fn schemas_are_enforced_in_both_directions() {
    let runs = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&runs);
    let weather = Tool::new("weather", "Weather at a place", move |arguments: Value| {
        ran.fetch_add(1, Ordering::Relaxed);
        async move { Ok(json!({"celsius": if arguments["location"] == "Oslo" { json!(4) } else { json!("warm") }})) }
    })
    .input_schema(&json!({
        "type": "object",
        "properties": {"location": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["location"],
        "additionalProperties": false,
    }))
    .output_schema(&json!({"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}));
    let calls = [
        ("weather", r#"{"locaton": "Oslo", "days": 0}"#),
        ("weather", r#"{"location": "Oslo"}"#),
        ("weather", r#"{"location": "Cairo"}"#),
        ("weather", r#"[1]"#),
        ("weather", r#"{"#),
    ];
    let answers = called(Tools::of([weather]).unwrap(), Request::new("…"), &calls).await;
    let invalid = answers[0].failure();
    assert_eq!(invalid.r#type, "InvalidArguments");
    for words in ["invalid arguments for tool 'weather': ", "location: required, but missing", "'location'?", "days: "]
    {
        assert!(invalid.message.contains(words), "{}", invalid.message);
    }
    assert_eq!(invalid.suggestions, ["location"]);
    assert_eq!(invalid.valid_parameters, ["location*: str", "days: int >= 1"]);
    assert_eq!(answers[1].value(), json!({"celsius": 4}));
    let invalid = answers[2].failure();
    assert_eq!(invalid.r#type, "InvalidResult");
    assert_eq!(
        invalid.message,
        "tool 'weather' returned what its output schema does not allow: celsius: expected float, got str 'warm'"
    );
    assert_eq!(answers[3].failure().message, "arguments of tool 'weather' must be given by name");
    assert!(answers[4].failure().message.starts_with("the arguments of tool 'weather' cannot be read"));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn values_are_exact_or_refused() {
    let double = Tool::new("double", "Twice as much", |arguments: Value| async move {
        Ok(json!(arguments["x"].as_i64().unwrap_or_default() * 2))
    });
    let wide = Tool::new("wide", "The same", |arguments: std::collections::HashMap<String, i128>| async move {
        Ok(arguments["x"])
    });
    let raw = Tool::raw("raw", "The same", |arguments, _| async move { Ok(arguments) });
    let checked = Tool::raw("checked", "The same", |arguments, _| async move { Ok(arguments) })
        .input_schema(&json!({"type": "object", "properties": {"x": {"type": "integer"}}}));
    let given = r#"{"x":123456789012345678901234567890}"#;
    let calls = [("double", given), ("wide", given), ("raw", given), ("checked", given), ("double", r#"{"x":2}"#)];
    let answers = called(Tools::of([double, wide, raw, checked]).unwrap(), Request::new("…"), &calls).await;
    let refused = answers[0].failure();
    assert_eq!(refused.r#type, "InvalidArguments");
    assert!(
        refused.message.contains("x: the integer 123456789012345678901234567890 needs more than 64"),
        "{refused:?}"
    );
    assert_eq!(answers[1].outcome, Outcome::Value(b"123456789012345678901234567890".to_vec()));
    for answer in &answers[2..4] {
        assert_eq!(answer.outcome, Outcome::Value(given.as_bytes().to_vec()));
    }
    assert_eq!(answers[4].value(), json!(4));
}

/// A rule for each action; the default is `allow`.
fn guarded() -> Tool {
    let approval =
        Approval::allow().rule("path", "/etc/*", ApprovalAction::Deny).rule("path", "/srv/*", ApprovalAction::Ask);
    Tool::new("remove", "Removes a file", |arguments: Value| async move { Ok(arguments["path"].clone()) })
        .input_schema(&json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}))
        .approval(approval)
}

const PATHS: [(&str, &str); 4] = [
    ("remove", r#"{"path": "/tmp/a"}"#),
    ("remove", r#"{"path": "/etc/a"}"#),
    ("remove", r#"{"path": "/srv/a"}"#),
    ("remove", r#"{"path": 5}"#),
];

#[tokio::test]
async fn a_person_is_asked_while_the_clock_stands_still() {
    let tools = Tools::of([guarded()]).unwrap().on_approval(|request| async move {
        assert_eq!((request.tool.as_str(), &request.arguments), ("remove", &json!({"path": "/srv/a"})));
        assert_eq!((request.reason.as_str(), request.call_id), ("argument 'path' matches '/srv/*'", 3));
        request.context["user"] == "ada"
    });
    let request = Request::new("…").context(&json!({"user": "ada"})).unwrap();
    let answers = called(tools.clone(), request, &PATHS).await;
    assert_eq!((answers[0].value(), &answers[0].held), (json!("/tmp/a"), &vec![]));
    let denied = answers[1].failure();
    assert_eq!(denied.r#type, "ApprovalDenied");
    assert_eq!(denied.message, "the call of tool 'remove' was denied: argument 'path' matches '/etc/*'");
    assert_eq!((answers[2].value(), &answers[2].held), (json!("/srv/a"), &vec![true, false]));
    // Nobody is bothered with a call that cannot run.
    assert_eq!((answers[3].failure().r#type.as_str(), &answers[3].held), ("InvalidArguments", &vec![]));

    let request = Request::new("…").context(&json!({"user": "eve"})).unwrap();
    let answers = called(tools, request, &PATHS[2..3]).await;
    // The test of `call_id` in the callback has failed, and that is a no.
    let message = "it could not be asked for approval; the application's log has the reason";
    assert_eq!(answers[0].failure().message, format!("the call of tool 'remove' was denied: {message}"));
    assert_eq!(answers[0].held, [true, false]);
}

#[tokio::test]
async fn a_no_has_its_reason() {
    let ask = || Tools::of([guarded()]).unwrap();
    let reason = async |tools: Tools| {
        let answers = called(tools, Request::new("…"), &PATHS[2..3]).await;
        let message = answers[0].failure().message.clone();
        message.strip_prefix("the call of tool 'remove' was denied: ").unwrap().to_owned()
    };
    let matches = "argument 'path' matches '/srv/*'";
    assert_eq!(reason(ask()).await, format!("{matches}, and this client has no on_approval"));
    assert_eq!(reason(ask().on_approval(|_| async { false })).await, format!("the application said no ({matches})"));
    assert_eq!(reason(ask().on_approval(|_| async { ApprovalDecision::deny("not today") })).await, "not today");
}

#[tokio::test]
async fn the_context_is_the_clients_and_a_scope_hides_the_rest() {
    let whoami = Tool::with_call("whoami", "Who asks", |_: Value, call: Call| async move {
        Ok(json!([call.context()["user"], call.name(), call.call_id()]))
    });
    let secret = Tool::new("secret", "Not for everybody", |_: Value| async { Ok(json!(1)) });
    let tools = Tools::of([whoami, secret]).unwrap().scoped(["whoami"]).unwrap();
    let request = Request::new("…").context(&json!({"user": "ada"})).unwrap();
    let calls = [
        ("whoami", r#"{"user": "eve"}"#),
        ("secret", "{}"),
        ("__list__", "{}"),
        ("__search__", r#"{"query": "secret everybody asks"}"#),
        ("__schema__", r#"{"name": "secret"}"#),
        ("__schema__", "{}"),
    ];
    let answers = called(tools, request, &calls).await;
    assert_eq!(answers[0].value(), json!(["ada", "whoami", 1]));
    assert_eq!(answers[1].failure().message, "no tool 'secret' (available tools: whoami)");
    let outline = json!({"name": "whoami", "description": "Who asks", "is_async": true, "has_context": true,
        "has_input_schema": false, "has_output_schema": false});
    assert_eq!(answers[2].value(), json!({"tools": [outline], "count": 1}));
    let matches = answers[3].value();
    assert_eq!((&matches["count"], &matches["matches"][0]["match_type"]), (&json!(1), &json!("description")));
    assert_eq!(answers[4].failure().r#type, "ToolNotFound");
    assert_eq!(answers[5].failure().valid_parameters, ["name*: str"]);
}

#[tokio::test]
async fn large_results_go_in_parts_where_the_executor_takes_them() {
    const LENGTH: usize = 3 << 20;
    const CREDIT: usize = 1 << 20;
    async fn collected(mut peer: Peer, credit: usize) -> (usize, usize, Vec<u8>) {
        let Some((_, Message::Hello(_))) = peer.receive().await else { panic!("no hello") };
        peer.send("", Welcome(Info { tool_result_credit: credit as u64, ..info() }));
        let (id, _) = peer.started().await;
        peer.send(&id, tool_call(1, "large", "{}"));
        peer.send(&id, tool_call(2, "small", "{}"));
        let (mut parts, mut most, mut value, mut small) = (0, 0, Vec::new(), false);
        while value.len() < LENGTH + 2 || !small {
            match peer.receive().await {
                Some((_, Message::ToolResultPart(part))) => {
                    assert_eq!(part.total_bytes, if parts == 0 { LENGTH as u64 + 2 } else { 0 });
                    parts += 1;
                    most = most.max(part.data.len());
                    value.extend_from_slice(&part.data);
                    // A client that sent more than it may would be seen by an executor that counts.
                    peer.send(&id, ToolResultCredit { bytes: part.data.len() as u64 });
                }
                Some((_, Message::ToolResult(result))) if result.call_id == 2 => small = true,
                Some((_, Message::ToolResult(result))) => {
                    let Some(Outcome::Value(whole)) = result.outcome else { panic!("{result:?}") };
                    value = whole;
                }
                other => panic!("{other:?}"),
            }
        }
        peer.send(&id, finished("null"));
        while peer.receive().await.is_some() {}
        (parts, most, value)
    }
    for credit in [0, CREDIT] {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::start(move |peer| {
            let sender = sender.clone();
            async move { sender.send(collected(peer, credit).await).unwrap() }
        });
        let large = Tool::new("large", "Much", |_: Value| async { Ok(json!("x".repeat(LENGTH))) });
        let small = Tool::new("small", "Little", |_: Value| async { Ok(json!(1)) });
        let tools = Tools::of([large, small]).unwrap();
        server.client().execute(Request::new("1"), Arc::new(tools), |_, _| ()).await.unwrap();
        let (parts, most, value) = seen.recv().await.unwrap();
        assert_eq!(serde_json::from_slice::<String>(&value).unwrap().len(), LENGTH);
        match credit {
            0 => assert_eq!(parts, 0),
            _ => assert!(parts > 3 && most <= CREDIT, "{parts} parts of at most {most}"),
        }
    }
}
