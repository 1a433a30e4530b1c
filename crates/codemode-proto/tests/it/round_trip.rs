use std::time::Duration;

use bytes::Bytes;
use codemode_proto::{EnvironmentInfo, ExecutorInfo, tool_answer, tool_result, v1};
use codemode_types::{
    Artifact, CorrelationId, ErrorCode, ExecutionFailure, ExecutionId, ExecutionReport, Isolation, LimitOverrides,
    Outcome, OutputStream, Policy, Rejection, Tier, ToolCallRecord, ToolCallStatus, ToolFailure, ToolSpec, Usage,
    Violation, ViolationSource,
};
use prost::Message;

pub(crate) fn report() -> ExecutionReport {
    ExecutionReport {
        execution_id: ExecutionId::parse("e-1").unwrap(),
        correlation_id: CorrelationId::parse("cm-000001-0001").unwrap(),
        outcome: Outcome::Timeout,
        exit_code: 124,
        result: Some(b"123456789012345678901234567890".to_vec()),
        variables: Some(br#"{"x":1}"#.to_vec()),
        failure: Some(ExecutionFailure {
            error_type: "Timeout".into(),
            message: "after 30 s".into(),
            traceback: "Traceback".into(),
            line: Some(7),
        }),
        tool_calls: vec![ToolCallRecord {
            name: "weather".into(),
            arguments: b"{}".to_vec(),
            status: ToolCallStatus::Abandoned,
            duration: Duration::from_micros(1_234_567),
            error: "late".into(),
        }],
        artifacts: vec![Artifact {
            path: "a/b.png".into(),
            size: 3,
            mime_type: "image/png".into(),
            sha256: "00".repeat(32),
            host_path: Some("/out/a/b.png".into()),
            data: Some(b"png".to_vec()),
        }],
        violations: vec![Violation {
            kind: "unauthorized_command".into(),
            detail: "rm".into(),
            source: ViolationSource::Guest,
        }],
        usage: Usage {
            wall: Duration::from_millis(5),
            guest: Duration::from_millis(4),
            tool: Duration::from_millis(1),
            cpu: Duration::from_micros(1),
            peak_memory_bytes: 9,
        },
        isolation: Isolation {
            tier: Tier::Full,
            layers: vec!["landlock".into()],
            substitutes: vec!["cgroup: a watch".into()],
            not_promised: vec!["That `stat` tells nothing.".into()],
        },
        warnings: vec!["clamped".into()],
        stdout_truncated: true,
        stderr_truncated: false,
        duration: Duration::from_micros(6_001),
    }
}

#[test]
fn a_report_survives_the_wire() {
    let bytes = v1::Finished::from(report()).encode_to_vec();
    let decoded = v1::Finished::decode(&bytes[..]).unwrap().into_report(report().execution_id).unwrap();
    // ExecutionReport has no equality of its own; its whole text has.
    assert_eq!(format!("{decoded:?}"), format!("{:?}", report()));
}

#[test]
fn every_outcome_and_code_survives() {
    for outcome in Outcome::ALL {
        let finished = v1::Finished::from(ExecutionReport { outcome, ..report() });
        assert_eq!(finished.into_report(report().execution_id).unwrap().outcome, outcome);
    }
    for code in ErrorCode::ALL {
        let rejection = Rejection::new(code, "because");
        assert_eq!(Rejection::try_from(v1::Rejected::from(rejection.clone())), Ok(rejection));
    }
}

#[test]
fn tools_and_answers_survive() {
    let tool = ToolSpec {
        name: "weather".into(),
        description: "says".into(),
        input_schema: Some(b"{}".to_vec()),
        output_schema: None,
        is_async: true,
        has_context: false,
        timeout: Some(Duration::from_millis(1_500)),
    };
    assert_eq!(ToolSpec::try_from(v1::ToolSpec::from(tool.clone())), Ok(tool));
    let failure = ToolFailure { valid_parameters: vec!["city*".into()], ..ToolFailure::new("TypeError", "no") };
    for answer in [Ok(b"1".to_vec()), Err(failure)] {
        assert_eq!(tool_answer(tool_result(7, answer.clone())), Ok((7, answer)));
    }
}

#[test]
fn limits_and_output_survive() {
    let overrides = LimitOverrides {
        code_timeout: Some(Duration::from_millis(1_500)),
        tool_timeout: None,
        total_timeout: Some(Duration::from_secs(9)),
        max_code_length: Some(10),
        max_tool_calls: Some(0),
    };
    let start = v1::Start::default().with_overrides(&overrides);
    assert_eq!(LimitOverrides::try_from(&start), Ok(overrides));
    // Below a millisecond is not "none".
    let tiny = LimitOverrides { code_timeout: Some(Duration::from_nanos(1)), ..LimitOverrides::default() };
    assert_eq!(v1::Start::default().with_overrides(&tiny).code_timeout_ms, Some(1));
    let output = v1::Output::of(OutputStream::Stderr, Bytes::from_static(b"x"));
    assert_eq!(output.into_parts(), Ok((OutputStream::Stderr, Bytes::from_static(b"x"))));
}

#[test]
fn info_survives() {
    let info = ExecutorInfo {
        version: "0.1.0".into(),
        isolation: report().isolation,
        policy: Policy::default(),
        max_concurrent_executions: 4,
        python: "3.11.7".into(),
        packages: vec!["pandas 2.3".into()],
        environments: vec![EnvironmentInfo {
            name: "data".into(),
            python: "3.12.1".into(),
            packages: vec!["polars 1.2".into()],
        }],
    };
    assert_eq!(ExecutorInfo::try_from(v1::Info::from(info.clone())), Ok(info));
}
