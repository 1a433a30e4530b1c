use std::time::Duration;

use codemode_engine::{ExecutionEvent, ExecutionRequest};
use codemode_types::{LimitOverrides, Outcome, ToolCallStatus, ToolFailure, ToolSpec, ViolationSource};
use serde_json::json;

use crate::harness::{echo, engine, finish, request, run, tool};

#[tokio::test]
async fn a_call_reaches_the_host_and_its_answer_comes_back() {
    let engine = engine(json!({})).await;
    let ran = run(&engine, "tools['echo'].run(a=1, b=[True, None])['b']").await;
    assert_eq!(ran.result(), "[true,null]");
    let record = &ran.report.tool_calls[0];
    assert_eq!((record.name.as_str(), record.status), ("echo", ToolCallStatus::Ok));
    assert_eq!(ran.calls[0].1, "echo");
}

#[tokio::test]
async fn an_unknown_tool_never_reaches_the_host() {
    let engine = engine(json!({})).await;
    // Past the proxy object, which would refuse it itself.
    let code = "import _codemode_guest as g, gc, struct, os\nframe = lambda n: b'\\x01' + struct.pack('<Q', 77) + struct.pack('<I', len(n)) + n + struct.pack('<I', 2) + b'{}'\nbody = frame(b'echoo')\nos.write(3, struct.pack('<I', len(body)) + body)\nanswer = os.read(3, 4096)\nprint(answer[14:].decode())";
    let code = code.replace("import _codemode_guest as g, gc, struct, os", "import struct, os");
    let ran = run(&engine, &code).await;
    assert_eq!(ran.outcome(), Outcome::Ok, "{ran:#?}");
    assert!(ran.calls.is_empty());
    assert!(ran.stdout.contains("unauthorized_tool: echoo") && ran.stdout.contains("\"echo\""), "{}", ran.stdout);
    let violation = &ran.report.violations[0];
    assert_eq!((violation.kind.as_str(), violation.source), ("unauthorized_tool", ViolationSource::Supervisor));
}

#[tokio::test]
async fn a_failing_tool_is_catchable() {
    let engine = engine(json!({})).await;
    let code = "try:\n    tools['echo'].run()\nexcept Exception as e:\n    result = [type(e).__name__, str(e)]";
    let failing = |_: &str, _: &str| Some(Err(ToolFailure::new("ValueError", "no such city")));
    let ran = finish(engine.execute(request(&engine, code)).unwrap(), failing).await;
    assert!(ran.result().contains("ToolError") && ran.result().contains("no such city"), "{}", ran.result());
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Error);
}

#[tokio::test]
async fn a_tool_that_hangs_times_out_and_the_code_goes_on() {
    let engine = engine(json!({"limits": {"tool_timeout": 0.2}})).await;
    let code = "try:\n    tools['echo'].run()\nexcept Exception as e:\n    result = str(e)";
    let ran = finish(engine.execute(request(&engine, code)).unwrap(), |_, _| None).await;
    assert!(ran.result().contains("tool_timeout"), "{}", ran.result());
    assert_eq!(ran.abandoned, [(ran.calls[0].0, true)]);
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Timeout);
}

#[tokio::test]
async fn more_threads_than_may_wait_all_get_their_answer() {
    let engine = engine(json!({"limits": {"processes": 512}})).await;
    let code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(300) as pool:\n    result = sum(pool.map(lambda n: tools['echo'].run(n=n)['n'], range(300)))";
    assert_eq!(run(&engine, code).await.result(), "44850");
}

#[tokio::test]
async fn values_of_megabytes_pass_both_ways() {
    let engine = engine(json!({})).await;
    assert_eq!(run(&engine, "len(tools['echo'].run(x='y' * (9 << 20))['x'])").await.result(), "9437184");
}

#[tokio::test]
async fn calls_are_counted() {
    let engine = engine(json!({"limits": {"max_tool_calls": 3}})).await;
    let code = "n = 0\ntry:\n    while True:\n        tools['echo'].run()\n        n += 1\nexcept Exception as e:\n    result = [n, str(e)]";
    let ran = run(&engine, code).await;
    assert!(ran.result().starts_with("[3,") && ran.result().contains("limits.max_tool_calls"), "{}", ran.result());
    assert_eq!(ran.report.violations[0].kind, "tool_call_limit");
}

#[tokio::test]
async fn a_call_that_is_pending_when_the_code_ends_is_abandoned() {
    let engine = engine(json!({})).await;
    let code = "import threading\nthreading.Thread(target=tools['echo'].run, daemon=True).start()\ntools['echo'].run(second=True)\n'done'";
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    let mut answered = None;
    for _ in 0..2 {
        match execution.events.recv().await {
            Some(ExecutionEvent::ToolCall { call_id, arguments, .. }) if arguments.starts_with(b"{\"second") => {
                answered = Some(call_id);
            }
            Some(ExecutionEvent::ToolCall { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    execution.answer(answered.unwrap(), Ok(b"null".to_vec()));
    let ran = finish(execution, echo).await;
    assert_eq!((ran.result().as_str(), ran.abandoned.len()), ("\"done\"", 1));
    assert!(!ran.abandoned[0].1, "the execution ended first");
    let statuses: Vec<_> = ran.report.tool_calls.iter().map(|call| call.status).collect();
    assert!(statuses.contains(&ToolCallStatus::Abandoned) && statuses.contains(&ToolCallStatus::Ok), "{statuses:?}");
}

#[tokio::test]
async fn meta_tools_reach_the_host() {
    let engine = engine(json!({})).await;
    let ran = finish(engine.execute(request(&engine, "tools['__list__'].run()")).unwrap(), echo).await;
    assert_eq!(ran.outcome(), Outcome::Ok, "{ran:#?}");
    assert_eq!(ran.calls[0].1, "__list__");
}

#[tokio::test]
async fn a_tool_of_little_time_is_given_no_more() {
    let engine = engine(json!({})).await;
    let timeout = Some(Duration::from_millis(200));
    let tools = vec![ToolSpec { timeout, ..tool("quick") }, tool("echo")];
    let code = "import time\ntry:\n    tools['quick'].run()\nexcept TimeoutError as e:\n    result = [str(e), tools['echo'].run(n=1)]";
    let execution = engine.execute(ExecutionRequest { tools, ..request(&engine, code) }).unwrap();
    let ran = finish(execution, |name, arguments| (name == "echo").then(|| Ok(arguments.into()))).await;
    assert!(ran.result().contains("did not answer within 0.2 s (the tool's own timeout)"), "{}", ran.result());
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Timeout);
}

#[tokio::test]
async fn a_held_call_outlives_the_tools_time_and_ends_with_the_total() {
    let engine = engine(json!({"limits": {"tool_timeout": 0.2, "total_timeout": 2}})).await;
    let mut execution = engine.execute(request(&engine, "tools['echo'].run()")).unwrap();
    let Some(ExecutionEvent::ToolCall { call_id, .. }) = execution.events.recv().await else { panic!("no call") };
    execution.hold(call_id, true);
    let ran = finish(execution, |_, _| None).await;
    assert_eq!(ran.end(), (Outcome::Timeout, "Timeout".into(), 124));
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Abandoned);
    assert!(ran.report.usage.guest < Duration::from_secs(1), "waiting for a person is not the code's time");
}

#[tokio::test]
async fn a_request_can_ask_for_fewer_calls_and_never_for_more() {
    let engine = engine(json!({"limits": {"max_tool_calls": 3}})).await;
    let code =
        "n = 0\ntry:\n    while True:\n        tools['echo'].run()\n        n += 1\nexcept Exception:\n    result = n";
    for (asked, made, warnings) in [(2, "2", 0), (0, "0", 0), (9, "3", 1)] {
        let overrides = LimitOverrides { max_tool_calls: Some(asked), ..LimitOverrides::default() };
        let execution = engine.execute(ExecutionRequest { overrides, ..request(&engine, code) }).unwrap();
        let ran = finish(execution, echo).await;
        assert_eq!((ran.result().as_str(), ran.report.warnings.len()), (made, warnings), "{ran:#?}");
    }
}

#[tokio::test]
async fn contents_come_along_as_far_as_they_are_wanted() {
    let engine = engine(json!({"limits": {"result_bytes": 8192}})).await;
    let code =
        "for name, size in [('a', 3), ('b', 9000), ('c', 4)]:\n    open(f'/outputs/{name}', 'w').write('x' * size)";
    for (artifact_bytes, sizes) in [(0, [None; 3]), (6, [Some(3), None, None]), (1 << 40, [Some(3), None, Some(4)])] {
        let execution = engine.execute(ExecutionRequest { artifact_bytes, ..request(&engine, code) }).unwrap();
        let artifacts = finish(execution, echo).await.report.artifacts;
        let held: Vec<_> = artifacts.iter().map(|it| it.data.as_ref().map(Vec::len)).collect();
        assert_eq!(held, sizes, "no more than limits.result_bytes");
    }
}
