use codemode_engine::ExecutionEvent;
use codemode_types::{Outcome, ToolCallStatus, ToolFailure};
use serde_json::json;

use crate::harness::{engine, finish, request, resident, run};

#[tokio::test]
async fn frames_that_are_not_the_protocol_fail_that_execution_only() {
    let engine = engine(json!({})).await;
    let frames = [
        ("unknown kind", "struct.pack('<I', 1) + b'\\x63'"),
        ("announced too long", "b'\\xff' * 4"),
        ("cut inside", "struct.pack('<I', 3) + b'\\x01ab'"),
        ("not UTF-8", "struct.pack('<I', 11) + b'\\x02' + struct.pack('<I', 2) + b'\\xff\\xfe' + struct.pack('<I', 0)"),
        ("trailing", "struct.pack('<I', 10) + b'\\x02' + struct.pack('<II', 0, 0) + b'x'"),
    ];
    for (what, frame) in frames {
        let ran = run(&engine, &format!("import os, struct\nos.write(3, {frame})\nwhile True: pass")).await;
        assert_eq!(ran.outcome(), Outcome::ProtocolError, "{what}: {ran:#?}");
    }
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
}

#[tokio::test]
async fn a_call_id_that_is_pending_cannot_be_used_again() {
    let engine = engine(json!({})).await;
    let code = "import os, struct\nbody = b'\\x01' + struct.pack('<QI', 7, 4) + b'echo' + struct.pack('<I', 2) + b'{}'\nos.write(3, (struct.pack('<I', len(body)) + body) * 2)\nwhile True: pass";
    let execution = engine.execute(crate::harness::request(&engine, code)).unwrap();
    let ran = crate::harness::finish(execution, |_, _| None).await;
    assert_eq!(ran.outcome(), Outcome::ProtocolError, "{ran:#?}");
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Abandoned);
}

#[tokio::test]
async fn descriptors_from_the_sandbox_are_not_taken() {
    let engine = engine(json!({})).await;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    run(&engine, "1").await;
    let before = descriptors();
    let code = "import socket, struct, os\nbody = b'\\x02' + struct.pack('<I', 1) + b'k' + struct.pack('<I', 0)\nframe = struct.pack('<I', len(body)) + body\ns = socket.socket(fileno=3)\nfor _ in range(500): s.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('<i', 1) * 50)])\ns.detach()\n'sent'";
    let ran = run(&engine, code).await;
    if ran.outcome() == Outcome::Ok {
        assert_eq!(ran.report.violations.len(), 500, "{ran:#?}");
    }
    assert!(descriptors() < before + 200, "{before} before, {} after", descriptors());
}

#[tokio::test]
async fn a_guest_that_calls_and_never_reads_is_stopped_with_bounded_memory() {
    let engine = engine(json!({"limits": {"max_tool_calls": 1}})).await;
    let code = "import os, struct\nbody = b'\\x01' + struct.pack('<QI', 7, 1) + b'x' + struct.pack('<I', 0)\nframes = (struct.pack('<I', len(body)) + body) * 1000\nwhile True: os.write(3, frames)";
    let before = resident();
    let ran = run(&engine, code).await;
    let grown = resident().saturating_sub(before);
    assert_eq!(ran.outcome(), Outcome::ProtocolError, "{:?}", ran.end());
    assert!(grown < 64 << 20, "{grown} bytes");
    assert!(ran.report.violations.len() <= 2 && ran.report.tool_calls.len() == 1);
}

#[tokio::test]
async fn failures_that_nobody_reads_are_bounded() {
    let engine = engine(json!({})).await;
    let code = "import os, struct, time\nfor call in range(500):\n    body = b'\\x01' + struct.pack('<QI', call, 4) + b'echo' + struct.pack('<I', 2) + b'{}'\n    os.write(3, struct.pack('<I', len(body)) + body)\ntime.sleep(600)";
    let before = resident();
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    for _ in 0..500 {
        let Some(ExecutionEvent::ToolCall { call_id, .. }) = execution.events.recv().await else { panic!("a call") };
        execution.answer(call_id, Err(ToolFailure::new("ValueError", "x".repeat(1 << 20))));
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes");
    execution.cancel();
    assert_eq!(finish(execution, |_, _| None).await.outcome(), Outcome::Cancelled);
}

#[tokio::test]
async fn a_flood_of_violations_is_bounded() {
    let engine = engine(json!({})).await;
    let code = "import os, struct\nbody = b'\\x02' + struct.pack('<I', 1) + b'k' + struct.pack('<I', 9000) + b'd' * 9000\nframe = struct.pack('<I', len(body)) + body\nfor _ in range(5000):\n    view = memoryview(frame)\n    while view: view = view[os.write(3, view):]\n'done'";
    let ran = run(&engine, code).await;
    assert_eq!(ran.result(), "\"done\"");
    assert_eq!(ran.report.violations.len(), 1000);
    assert!(ran.report.violations[0].detail.len() < 1100);
    assert!(ran.report.warnings.iter().any(|warning| warning == "4000 further violations are not listed"));
}

#[tokio::test]
async fn a_closed_channel_is_no_success() {
    let engine = engine(json!({})).await;
    let ran = run(&engine, "import os\nos.close(3)\n'done'").await;
    assert_ne!(ran.outcome(), Outcome::Ok, "{ran:#?}");
}

#[tokio::test]
async fn printing_cannot_forge_a_result() {
    let engine = engine(json!({})).await;
    let ran = run(&engine, "import os\nos.write(1, b'\\x02\\x00\\x00\\x00\\x03\\x00')\nos._exit(1)").await;
    assert_eq!((ran.outcome(), ran.report.exit_code), (Outcome::Error, 1));
}
