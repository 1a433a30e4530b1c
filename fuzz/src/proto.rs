//! Protobuf messages: bytes → message → domain → message.

use codemode_proto::{ExecutorInfo, request_bytes, response_bytes, tool_answer, tool_result, v1};
use codemode_types::{CorrelationId, ExecutionId, LimitOverrides, Limits, Policy, Rejection, ToolSpec};
use prost::Message;
use v1::{client_message::Message as Asked, server_message::Message as Told};

/// The first byte says which end reads the rest.
pub fn messages(input: &[u8]) {
    let Some((end, bytes)) = input.split_first() else { return };
    if end & 1 == 0 {
        if let Ok(message) = v1::ClientMessage::decode(bytes) {
            from_client(message);
        }
    } else if let Ok(message) = v1::ServerMessage::decode(bytes) {
        from_server(message);
    }
}

fn from_client(message: v1::ClientMessage) {
    let id = ExecutionId::parse(&message.execution_id);
    assert!(id.is_err() || message.execution_id.len() <= 64);
    match message.message {
        Some(Asked::Start(start)) => started(start),
        Some(Asked::ToolResult(result)) => {
            let Ok((call_id, answer)) = tool_answer(result.clone()) else { return };
            assert_eq!(tool_result(call_id, answer), result);
        }
        Some(Asked::Hello(hello)) => {
            let Ok(asked) = serde_json::from_slice(&hello.policy) else { return };
            if let Ok(policy) = Policy::default().narrowed(&asked) {
                assert!(request_bytes(&policy.limits) <= request_bytes(&Limits::default()));
                assert!(response_bytes(&policy.limits) <= response_bytes(&Limits::default()));
            }
        }
        Some(Asked::ToolResultPart(_) | Asked::ToolHeld(_) | Asked::Cancel(_) | Asked::Credit(_)) | None => {}
    }
}

fn started(start: v1::Start) {
    if let Ok(id) = CorrelationId::parse(&start.correlation_id) {
        assert!(id.as_str().len() <= 128);
    }
    if let Ok(overrides) = LimitOverrides::try_from(&start) {
        assert_eq!(start.clone().with_overrides(&overrides), start);
        let (limits, _) = Limits::default().overridden(&overrides);
        assert!(limits.total_timeout <= Limits::default().total_timeout);
        assert!(limits.max_tool_calls <= Limits::default().max_tool_calls);
    }
    for tool in start.tools {
        if let Ok(spec) = ToolSpec::try_from(tool.clone()) {
            assert!((1..=256).contains(&spec.name.len()));
            assert_eq!(v1::ToolSpec::from(spec), tool);
        }
    }
}

fn from_server(message: v1::ServerMessage) {
    match message.message {
        Some(Told::Welcome(info)) => {
            if let Ok(info) = ExecutorInfo::try_from(info) {
                assert_eq!(ExecutorInfo::try_from(v1::Info::from(info.clone())), Ok(info));
            }
        }
        Some(Told::Finished(finished)) => {
            let Ok(id) = ExecutionId::parse("e-1") else { return };
            if let Ok(report) = finished.clone().into_report(id) {
                assert_eq!(v1::Finished::from(report), finished);
            }
        }
        Some(Told::Rejected(rejected)) => {
            if let Ok(rejection) = Rejection::try_from(rejected) {
                assert_eq!(Rejection::try_from(v1::Rejected::from(rejection.clone())), Ok(rejection));
            }
        }
        Some(Told::Output(output)) => {
            let Ok((stream, data)) = output.clone().into_parts() else { return };
            assert_eq!(v1::Output::of(stream, data), output);
        }
        Some(Told::ToolCall(call)) => {
            let again = v1::ToolCall::of(call.call_id, call.name.clone(), call.arguments.clone(), call.timeout());
            assert_eq!(again, call);
        }
        Some(Told::Accepted(_) | Told::ToolCallAbandoned(_) | Told::ToolResultCredit(_)) | None => {}
    }
}
