//! What a peer sends is checked, whatever it is.

use codemode_proto::{DecodeError, ExecutorInfo, tool_answer, v1};
use codemode_types::{LimitOverrides, Rejection, ToolSpec};

use crate::round_trip::report;

fn spoiled(spoil: impl FnOnce(&mut v1::Finished)) -> DecodeError {
    let mut finished = v1::Finished::from(report());
    spoil(&mut finished);
    finished.into_report(report().execution_id).unwrap_err()
}

#[test]
fn a_spoiled_report_names_the_field() {
    assert_eq!(spoiled(|it| it.usage = None), DecodeError::Missing("finished.usage"));
    assert_eq!(spoiled(|it| it.isolation = None), DecodeError::Missing("finished.isolation"));
    let error = spoiled(|it| it.outcome = format!("grand\n{}", "x".repeat(1000)));
    assert_eq!(error.to_string(), format!("`finished.outcome`: unknown value `grand\\n{}`", "x".repeat(34)));
    assert!(spoiled(|it| it.correlation_id = "a\nb".into()).to_string().starts_with("`finished.correlation_id`"));
    assert!(spoiled(|it| it.tool_calls[0].status.clear()).to_string().starts_with("`finished.tool_calls.status`"));
    assert!(spoiled(|it| it.violations[0].source.clear()).to_string().starts_with("`finished.violations.source`"));
    let tier = spoiled(|it| it.isolation.as_mut().unwrap().tier = "none".into());
    assert_eq!(tier.to_string(), "`isolation.tier`: unknown value `none`");
}

#[test]
fn other_messages_are_checked_too() {
    assert!(tool_answer(v1::ToolResult { call_id: 1, outcome: None }).is_err());
    assert!(ToolSpec::try_from(v1::ToolSpec::default()).is_err());
    assert!(LimitOverrides::try_from(&v1::Start { code_timeout_ms: Some(0), ..v1::Start::default() }).is_err());
    assert!(Rejection::try_from(v1::Rejected { code: "tired".into(), ..v1::Rejected::default() }).is_err());
    assert!(v1::Output { stream: 9, data: Default::default() }.into_parts().is_err());
    assert!(ExecutorInfo::try_from(v1::Info { policy: b"{".to_vec(), ..v1::Info::default() }).is_err());
}
