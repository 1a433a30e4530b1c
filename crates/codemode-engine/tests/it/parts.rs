//! Large answers in parts: whole in the code, never whole here.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use codemode_engine::{Execution, ExecutionEvent};
use codemode_types::{Outcome, ToolCallStatus};
use serde_json::json;

use crate::harness::{Ran, await_word, echo, engine, finish, request, resident, run};

const PART: usize = 256 << 10;
const WINDOW: usize = 1 << 20;

async fn call(execution: &mut Execution) -> u64 {
    match execution.events.recv().await {
        Some(ExecutionEvent::ToolCall { call_id, .. }) => call_id,
        other => panic!("{other:?}"),
    }
}

/// Answers every call with `bytes` raw bytes, as much at a time as is taken; gives the most that was under way.
async fn poured(mut execution: Execution, bytes: usize) -> (Ran, usize) {
    let part = Bytes::from(vec![b'z'; PART]);
    let (mut held, mut most) = (0, 0);
    // Of each call: its id, what is to be announced, and what is left to send.
    let mut waiting: VecDeque<(u64, usize, usize)> = VecDeque::new();
    loop {
        while held < WINDOW
            && let Some((call_id, total, left)) = waiting.pop_front()
        {
            let data = match total > 0 {
                true => Bytes::from(format!("{{\"$codemode\":\"bytes\",\"n\":{bytes}}}\0")),
                false => part.slice(..left.min(PART)),
            };
            (held, most) = (held + data.len(), most.max(held + data.len()));
            let left = left - data.len();
            execution.answer_part(call_id, total as u64, data);
            if left > 0 {
                waiting.push_front((call_id, 0, left));
            }
        }
        match execution.events.recv().await {
            Some(ExecutionEvent::ToolCall { call_id, .. }) => {
                let total = bytes + format!("{{\"$codemode\":\"bytes\",\"n\":{bytes}}}\0").len();
                waiting.push_back((call_id, total, total));
            }
            Some(ExecutionEvent::AnswerTaken { bytes }) => held -= bytes as usize,
            Some(ExecutionEvent::Finished(report)) => {
                let ran = Ran {
                    report: *report,
                    stdout: String::new(),
                    stderr: String::new(),
                    calls: vec![],
                    abandoned: vec![],
                };
                return (ran, most);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_value_larger_than_what_is_held_arrives_whole() {
    let engine = engine(json!({"limits": {"value_bytes": "40Mi"}})).await;
    let before = resident();
    let code = "got = tools['echo'].run()\nresult = [type(got).__name__, len(got), got.count(b'z')]";
    let (ran, most) = poured(engine.execute(request(&engine, code)).unwrap(), 32 << 20).await;
    assert_eq!(ran.result(), r#"["bytes",33554432,33554432]"#);
    assert!(most <= WINDOW + PART, "{most}");
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Ok);
}

#[tokio::test]
async fn parts_of_several_answers_alternate_with_small_ones() {
    let engine = engine(json!({})).await;
    let code = "result = tools['echo'].map([{'n': n} for n in range(3)])";
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    let ids = [call(&mut execution).await, call(&mut execution).await, call(&mut execution).await];
    let of = |first: &'static [u8], rest: &'static [u8]| [first, rest].map(Bytes::from_static);
    let [[a, b], [c, d]] = [of(b"[1,", b"2]"), of(b"[3,4", b",5]")];
    execution.answer_part(ids[0], 5, a);
    execution.answer_part(ids[1], 7, c);
    execution.answer(ids[2], Ok(b"6".to_vec()));
    execution.answer_part(ids[1], 0, d);
    execution.answer_part(ids[0], 0, b);
    assert_eq!(finish(execution, echo).await.result(), "[[1,2],[3,4,5],6]");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_announcement() {
    let engine = engine(json!({"limits": {"value_bytes": 4096}})).await;
    let code = "try:\n    tools['echo'].run()\nexcept Exception as error:\n    result = str(error)";
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    let call_id = call(&mut execution).await;
    execution.answer_part(call_id, 4097, Bytes::from_static(b"\"x"));
    let ran = finish(execution, echo).await;
    assert!(
        ran.result().contains("the result is 4097 bytes long; at most 4096 are allowed (limits.value_bytes)"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_announced_fails_its_call_only() {
    let engine = engine(json!({})).await;
    let code =
        "try:\n    tools['echo'].run()\nexcept Exception as error:\n    result = [str(error), tools['echo'].run()]";
    for (total, why) in [(0, "longer than was announced"), (9, "began twice")] {
        let mut execution = engine.execute(request(&engine, code)).unwrap();
        let call_id = call(&mut execution).await;
        execution.answer_part(call_id, 3, Bytes::from_static(b"12"));
        execution.answer_part(call_id, total, Bytes::from_static(b"34"));
        // Whatever still comes of it is nobody's.
        execution.answer_part(call_id, 0, Bytes::from_static(b"5"));
        let ran = finish(execution, |_, _| Some(Ok(b"7".to_vec()))).await;
        assert!(ran.result().contains(why) && ran.result().ends_with(",7]"), "{}", ran.result());
    }
}

#[tokio::test]
async fn an_answer_whose_rest_does_not_come_is_late_and_then_forgotten() {
    let engine = engine(json!({"limits": {"tool_timeout": 0.3}})).await;
    let code =
        "try:\n    tools['echo'].run()\nexcept TimeoutError as error:\n    result = [str(error), tools['echo'].run()]";
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    let call_id = call(&mut execution).await;
    execution.answer_part(call_id, 9, Bytes::from_static(b"12"));
    let ran = finish(execution, |_, _| Some(Ok(b"7".to_vec()))).await;
    assert!(ran.result().contains("did not answer within 0.3 s") && ran.result().ends_with(",7]"), "{}", ran.result());
    assert_eq!(ran.report.tool_calls[0].status, ToolCallStatus::Timeout);
}

#[tokio::test]
async fn code_that_does_not_read_its_answer_spends_its_own_time() {
    let engine = engine(json!({"limits": {"code_timeout": 1, "total_timeout": 60}})).await;
    // A call made past the runtime, whose answer is left in the socket.
    let code = "import os, struct, time\nbody = b'\\x01' + struct.pack('<QI', 1 << 40, 4) + b'echo' + struct.pack('<I', 2) + b'{}'\nos.write(3, struct.pack('<I', len(body)) + body)\nprint('called', end='', flush=True)\ntime.sleep(50)";
    let mut execution = engine.execute(request(&engine, code)).unwrap();
    let call_id = loop {
        match execution.events.recv().await {
            Some(ExecutionEvent::ToolCall { call_id, .. }) => break call_id,
            Some(ExecutionEvent::Output { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    for part in 0..4 {
        let total = if part == 0 { 8 << 20 } else { 0 };
        execution.answer_part(call_id, total, Bytes::from(vec![b' '; PART]));
    }
    let ran = tokio::time::timeout(Duration::from_secs(30), finish(execution, echo)).await.unwrap();
    assert_eq!(ran.end(), (Outcome::Timeout, "Timeout".into(), 124));
    assert!(ran.report.usage.guest >= Duration::from_secs(1), "{:?}", ran.report.usage);
}

#[tokio::test]
async fn parts_for_nobody_are_let_go() {
    let engine = engine(json!({})).await;
    let mut execution =
        engine.execute(request(&engine, "print('on', end='', flush=True)\ntools['echo'].run()")).unwrap();
    await_word(&mut execution, "on").await;
    execution.answer_part(77, 9, Bytes::from_static(b"12345"));
    let mut taken = 0;
    while taken < 5 {
        match execution.events.recv().await {
            Some(ExecutionEvent::AnswerTaken { bytes }) => taken += bytes,
            Some(ExecutionEvent::ToolCall { call_id, .. }) if taken == 5 => {
                execution.answer(call_id, Ok(b"1".to_vec()))
            }
            Some(ExecutionEvent::ToolCall { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    drop(execution);
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
}
