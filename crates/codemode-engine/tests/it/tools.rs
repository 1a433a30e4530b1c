use codemode_engine::ExecutionEvent;
use codemode_types::{Outcome, ToolCallStatus, ToolFailure, ViolationSource};
use serde_json::json;

use crate::harness::{echo, engine, finish, request, run};

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
    assert_eq!(ran.abandoned, [ran.calls[0].0]);
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
