use codemode_proto::{TOOL_RESULT_CREDIT, tool_result, v1};
use codemode_types::ToolFailure;
use serde_json::json;
use tonic::Code;
use v1::server_message::Message;

use crate::support::{ENDLESS, block_on, one_place, serve, started};

#[test]
fn many_executions_share_a_stream() {
    block_on(async {
        let served = serve(json!({"max_concurrent_executions": 4})).await;
        let mut stream = served.connect().await;
        for id in ["a", "b", "c"] {
            stream.start(id, &format!("print('{id}')\nresult = '{id}'"));
        }
        let (mut output, mut results) = (Vec::new(), Vec::new());
        while results.len() < 3 {
            let message = stream.next().await.unwrap();
            match message.message.unwrap() {
                Message::Output(data) => output.push((message.execution_id, data.data)),
                Message::Finished(finished) => results.push((message.execution_id, finished.result.unwrap())),
                _ => {}
            }
        }
        output.sort();
        results.sort();
        assert_eq!(output, ["a", "b", "c"].map(|id| (id.to_owned(), format!("{id}\n").into())));
        assert_eq!(results, ["a", "b", "c"].map(|id| (id.to_owned(), format!("\"{id}\"").into_bytes())));
        // The id is free once Finished is here.
        stream.start("a", "1");
        assert_eq!(stream.finished("a").await.outcome, "ok");
    });
}

#[test]
fn tools_are_called_back() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut stream = served.connect().await;
        let code = "good = tools['t'].run(x=2)\ntry:\n    tools['t'].run(x=3)\nexcept Exception as error:\n    result = [good, str(error)]";
        let tools = vec![v1::ToolSpec { name: "t".into(), ..v1::ToolSpec::default() }];
        stream.send("a", v1::Start { tools, ..started(code) });
        let Message::ToolCall(call) = stream.of("a").await else { panic!() };
        assert_eq!((call.name.as_str(), &call.arguments[..]), ("t", &br#"{"x":2}"#[..]));
        stream.send("a", tool_result(call.call_id, Ok(b"41".to_vec())));
        let Message::ToolCall(call) = stream.of("a").await else { panic!() };
        stream.send("a", tool_result(call.call_id, Err(ToolFailure::new("ValueError", "too much"))));
        let finished = stream.finished("a").await;
        let result = String::from_utf8(finished.result.unwrap()).unwrap();
        assert!(result.starts_with("[41,") && result.contains("too much"), "{result}");
        let statuses: Vec<_> = finished.tool_calls.iter().map(|call| call.status.as_str()).collect();
        assert_eq!(statuses, ["ok", "error"]);
    });
}

fn tool_t() -> Vec<v1::ToolSpec> {
    vec![v1::ToolSpec { name: "t".into(), ..v1::ToolSpec::default() }]
}

#[test]
fn large_results_of_tools_come_in_parts_as_they_are_taken() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut stream = served.connect().await;
        let code = "got = tools['t'].run()\nresult = [len(got), got[-1]]";
        stream.send("a", v1::Start { tools: tool_t(), ..started(code) });
        let Message::ToolCall(v1::ToolCall { call_id, .. }) = stream.of("a").await else { panic!() };
        const LENGTH: usize = 9 << 20;
        let text = [&b"\""[..], &vec![b'x'; LENGTH - 3], b"y\""].concat();
        let (mut sent, mut credit) = (0, TOOL_RESULT_CREDIT as usize);
        while sent < LENGTH {
            let end = LENGTH.min(sent + credit.min(200_000));
            let total_bytes = if sent == 0 { LENGTH as u64 } else { 0 };
            let data = text[sent..end].to_vec().into();
            stream.send("a", v1::ToolResultPart { call_id, total_bytes, data });
            credit -= end - sent;
            sent = end;
            while credit == 0 {
                let Message::ToolResultCredit(more) = stream.of("a").await else { panic!() };
                credit += more.bytes as usize;
            }
        }
        // Another execution of the stream is not held up by one that waits for its parts.
        stream.start("b", "6 * 7");
        let mut results = Vec::new();
        while results.len() < 2 {
            if let Some(Message::Finished(finished)) = stream.next().await.unwrap().message {
                results.push(String::from_utf8(finished.result.unwrap()).unwrap());
            }
        }
        results.sort();
        assert_eq!(results, ["42".to_owned(), format!("[{},\"y\"]", LENGTH - 2)]);
    });
}

#[test]
fn more_parts_than_there_is_credit_for_end_the_stream() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut stream = served.connect().await;
        // Called past the runtime, which then does not read: nothing is taken but what the socket holds.
        let code = "import os, struct, time\nbody = b'\\x01' + struct.pack('<QI', 1 << 40, 1) + b't' + struct.pack('<I', 2) + b'{}'\nos.write(3, struct.pack('<I', len(body)) + body)\ntime.sleep(60)";
        stream.send("a", v1::Start { tools: tool_t(), skip_tool_check: true, ..started(code) });
        let Message::ToolCall(v1::ToolCall { call_id, .. }) = stream.of("a").await else { panic!() };
        for part in 0..40 {
            let total_bytes = if part == 0 { 12 << 20 } else { 0 };
            stream.send("a", v1::ToolResultPart { call_id, total_bytes, data: vec![b' '; 256 << 10].into() });
        }
        let refused = loop {
            match stream.next().await {
                Ok(message) => assert!(matches!(message.message, Some(Message::ToolResultCredit(_)))),
                Err(status) => break status,
            }
        };
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("more bytes in ToolResultPart than ToolResultCredit allowed"), "{refused}");
    });
}

#[test]
fn calls_are_held_and_nothing_else_is() {
    block_on(async {
        let served = serve(json!({"limits": {"tool_timeout": 0.2, "total_timeout": 3}})).await;
        let mut stream = served.connect().await;
        let tools = vec![v1::ToolSpec { name: "t".into(), ..v1::ToolSpec::default() }];
        stream.send("a", v1::Start { tools, ..started("tools['t'].run()") });
        let Message::ToolCall(v1::ToolCall { call_id, .. }) = stream.of("a").await else { panic!() };
        stream.send("a", v1::ToolHeld { call_id, held: true });
        // Of calls and executions that are not: nobody's mistake, and never a reason to hold anything.
        for id in ["a", "b"] {
            (0..5_000).for_each(|other| stream.send(id, v1::ToolHeld { call_id: call_id + 1 + other, held: true }));
        }
        stream.start("c", "6 * 7");
        assert_eq!(stream.finished("c").await.result.unwrap(), b"42");
        // For ever is as long as the execution may take.
        let finished = stream.finished("a").await;
        assert_eq!((finished.outcome.as_str(), finished.tool_calls[0].status.as_str()), ("timeout", "abandoned"));
    });
}

#[test]
fn refusals_on_a_stream_are_messages() {
    block_on(async {
        let served = serve(json!({"max_concurrent_executions": 4})).await;
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        assert!(matches!(stream.of("a").await, Message::Output(_)));
        stream.start("a", "1");
        assert_eq!(stream.rejected("a").await.code, "invalid_request");
        // Also from elsewhere: an id is the executor's.
        let mut other = served.connect().await;
        other.start("a", "1");
        assert_eq!(other.rejected("a").await.code, "invalid_request");
        for (id, start, code) in [
            ("no/id", started("1"), "invalid_request"),
            ("", started("1"), "invalid_request"),
            ("e", started(""), "invalid_code"),
            ("u", v1::Start { code: vec![0xff], ..started("") }, "invalid_code"),
            ("l", v1::Start { max_code_length: Some(1), ..started("11") }, "code_too_long"),
            ("t", v1::Start { code_timeout_ms: Some(0), ..started("1") }, "invalid_request"),
            ("c", v1::Start { correlation_id: "a\n".into(), ..started("1") }, "invalid_request"),
        ] {
            other.send(id, start);
            let rejected = other.rejected(id).await;
            assert_eq!((rejected.code.as_str(), rejected.retryable), (code, false), "{id}: {}", rejected.message);
        }
        // None of it disturbed what runs.
        stream.send("a", v1::Cancel {});
        assert_eq!(stream.finished("a").await.outcome, "cancelled");
    });
}

#[test]
fn a_stream_may_narrow_the_policy_and_never_widen_it() {
    block_on(async {
        let served = serve(json!({"limits": {"code_timeout": 5}})).await;
        let narrow = v1::Hello { client: "test/1".into(), policy: br#"{"limits": {"max_code_length": 3}}"#.to_vec() };
        let mut stream = served.connect_with(narrow).await;
        let Some(Message::Welcome(info)) = stream.next().await.unwrap().message else { panic!() };
        let policy: serde_json::Value = serde_json::from_slice(&info.policy).unwrap();
        assert_eq!(policy["limits"]["max_code_length"], 3);
        stream.start("a", "1 + 1");
        assert_eq!(stream.rejected("a").await.code, "code_too_long");
        let wide = v1::Hello { client: String::new(), policy: br#"{"limits": {"code_timeout": 6}}"#.to_vec() };
        let mut stream = served.connect_with(wide).await;
        let Some(Message::Rejected(rejected)) = stream.next().await.unwrap().message else { panic!() };
        assert!(rejected.code == "policy" && rejected.message.starts_with("limits.code_timeout: "), "{rejected:?}");
        assert_eq!(stream.next().await.unwrap_err().code(), Code::InvalidArgument);
        let walled = v1::Hello { client: String::new(), policy: br#"{"isolation": {"require": ["moat"]}}"#.to_vec() };
        let mut stream = served.connect_with(walled).await;
        let Some(Message::Rejected(rejected)) = stream.next().await.unwrap().message else { panic!() };
        assert!(rejected.message.starts_with("isolation.require: `moat` is none of"), "{rejected:?}");
    });
}

#[test]
fn output_waits_for_credit() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut stream = served.connect().await;
        stream.send("a", v1::Start { output_credit: 5, ..started("print('0123456789', end='')") });
        let Message::Output(first) = stream.of("a").await else { panic!() };
        assert_eq!(&first.data[..], b"01234");
        // Another execution's traffic comes through; of this one, nothing until it is paid for.
        stream.start("b", "1");
        loop {
            let message = stream.next().await.unwrap();
            assert_eq!(message.execution_id, "b");
            if matches!(message.message, Some(Message::Finished(_))) {
                break;
            }
        }
        stream.send("a", v1::Credit { bytes: 100 });
        let Message::Output(rest) = stream.of("a").await else { panic!() };
        assert_eq!(&rest.data[..], b"56789");
        assert_eq!(stream.finished("a").await.outcome, "ok");
    });
}

#[test]
fn a_stream_that_breaks_ends_its_executions() {
    block_on(async {
        let served = serve(one_place()).await;
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        assert!(matches!(stream.of("a").await, Message::Output(_)));
        let mut other = served.connect().await;
        other.start("b", "1");
        assert_eq!(other.rejected("b").await.code, "overloaded");
        drop(stream);
        loop {
            other.start("b", "1");
            match other.of("b").await {
                Message::Rejected(_) => {}
                Message::Finished(finished) => break assert_eq!(finished.outcome, "ok"),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn who_does_not_speak_the_protocol_is_told() {
    block_on(async {
        let served = serve(json!({})).await;
        let mut stream = served.execute(v1::ClientMessage::hello(v1::Hello::default())).await;
        assert_eq!(stream.next().await.unwrap_err().message(), "the first message of Execute must be Start");
        let mut stream = served.connect().await;
        stream.outgoing.as_ref().unwrap().send(v1::ClientMessage::hello(v1::Hello::default())).unwrap();
        assert_eq!(stream.next().await.unwrap_err().code(), Code::InvalidArgument);
        let mut stream = served.connect().await;
        stream.outgoing.as_ref().unwrap().send(v1::ClientMessage::default()).unwrap();
        assert_eq!(stream.next().await.unwrap_err().code(), Code::InvalidArgument);
    });
}

#[test]
fn execute_runs_one_and_chooses_an_id() {
    block_on(async {
        let served = serve(json!({})).await;
        let start = |code: &str| v1::ClientMessage { execution_id: String::new(), message: Some(started(code).into()) };
        let mut stream = served.execute(start("print('hi')\n6 * 7")).await;
        // Half-closed: without tools there is nothing more to say.
        stream.outgoing = None;
        let accepted = stream.next().await.unwrap();
        assert_eq!(accepted.execution_id.len(), 32);
        let finished = stream.finished(&accepted.execution_id).await;
        assert_eq!(finished.result.as_deref(), Some(&b"42"[..]));
        assert!(finished.correlation_id.starts_with("cm-"), "{}", finished.correlation_id);
        let mut stream = served.execute(start("")).await;
        let status = stream.next().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.metadata().get("codemode-error-code").unwrap(), "invalid_code");
    });
}

#[test]
fn info_says_what_holds() {
    block_on(async {
        let served = serve(json!({"limits": {"processes": 7}, "max_concurrent_executions": 3})).await;
        let info = served.executor().await.get_info(v1::GetInfoRequest {}).await.unwrap().into_inner();
        let info = codemode_proto::ExecutorInfo::try_from(info).unwrap();
        assert_eq!((info.max_concurrent_executions, info.policy.limits.processes), (3, 7));
        assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
        assert!(!info.isolation.layers.is_empty());
    });
}
