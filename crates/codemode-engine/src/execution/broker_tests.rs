use codemode_types::ByteSize;
use tokio::time::advance;

use super::*;

fn broker(limits: &Limits) -> Broker {
    let tool = |name: &str, timeout| ToolSpec { name: name.into(), timeout, ..ToolSpec::default() };
    let tools = [tool("weather", None), tool("quick", Some(Duration::from_secs(2)))];
    Broker::new(&tools, limits)
}

fn refusal(decision: Decision) -> (String, String, Vec<String>, bool) {
    match decision {
        Decision::Refuse { failure, violation } => {
            (failure.kind, failure.message, failure.suggestions, violation.is_some())
        }
        other => panic!("{other:?}"),
    }
}

fn statuses(broker: Broker) -> Vec<(ToolCallStatus, Duration)> {
    broker.into_records().into_iter().map(|record| (record.status, record.duration)).collect()
}

#[tokio::test(start_paused = true)]
async fn names_match_exactly_and_meta_tools_exist() {
    let mut broker = broker(&Limits::default());
    for (call_id, name) in ["weather", "__list__", "__schema__", "__search__"].into_iter().enumerate() {
        assert!(matches!(broker.call(call_id as u64, name, b"{}"), Decision::Serve { .. }), "{name}");
    }
    for name in ["Weather", "weather ", "weather\0", "", "__LIST__"] {
        let (kind, ..) = refusal(broker.call(9, name, b"{}"));
        assert_eq!(kind, "ToolNotFound", "{name}");
    }
    let (_, message, suggestions, violated) = refusal(broker.call(9, "wether", b"{}"));
    assert_eq!((message.as_str(), violated), ("unauthorized_tool: wether", true));
    assert_eq!(suggestions, ["weather"]);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_calls_is_bounded_and_said_once() {
    let mut broker = broker(&Limits { max_tool_calls: 1, ..Limits::default() });
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Serve { .. }));
    let (kind, _, _, violated) = refusal(broker.call(2, "weather", b"{}"));
    assert_eq!((kind.as_str(), violated), ("ToolCallLimitExceeded", true));
    assert!(!refusal(broker.call(3, "weather", b"{}")).3);
    assert_eq!(broker.into_records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn values_are_bounded_both_ways() {
    let mut broker = broker(&Limits { value_bytes: ByteSize(4096), ..Limits::default() });
    assert_eq!(refusal(broker.call(1, "weather", &[b' '; 4097])).0, "ToolArgumentsTooLarge");
    assert!(matches!(broker.call(1, "weather", &[b' '; 4096]), Decision::Serve { .. }));
    let answer = broker.answer(1, Ok(vec![0; 4097])).unwrap();
    assert_eq!(answer.unwrap_err().kind, "ToolResultTooLarge");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_pending_cannot_be_called_again() {
    let mut broker = broker(&Limits::default());
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Serve { .. }));
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Nonsense(_)));
    assert!(broker.answer(1, Ok(vec![])).is_some());
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Serve { .. }));
}

#[tokio::test(start_paused = true)]
async fn late_answers_and_answers_to_nothing_are_dropped() {
    let mut broker = broker(&Limits { tool_timeout: Duration::from_secs(2), ..Limits::default() });
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Serve { .. }));
    assert_eq!(broker.deadline(), Some(Instant::now() + Duration::from_secs(2)));
    advance(Duration::from_secs(2)).await;
    let late = broker.expire();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].1.message, "tool_timeout: `weather` did not answer within 2 s (limits.tool_timeout)");
    assert!(broker.answer(1, Ok(vec![])).is_none());
    assert!(broker.answer(7, Ok(vec![])).is_none());
    assert_eq!(statuses(broker), [(ToolCallStatus::Timeout, Duration::from_secs(2))]);
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_at_the_end_is_abandoned() {
    let mut broker = broker(&Limits::default());
    for call_id in [3, 1, 2] {
        assert!(matches!(broker.call(call_id, "weather", b"{}"), Decision::Serve { .. }));
    }
    advance(Duration::from_secs(1)).await;
    assert!(broker.answer(2, Err(ToolFailure::new("ValueError", "no"))).is_some());
    assert_eq!(broker.abandon(), [1, 3]);
    let second = Duration::from_secs(1);
    let (abandoned, failed) = ((ToolCallStatus::Abandoned, second), (ToolCallStatus::Error, second));
    assert_eq!(statuses(broker), [abandoned, abandoned, failed]);
}

#[tokio::test(start_paused = true)]
async fn recorded_arguments_are_cut() {
    let mut broker = broker(&Limits::default());
    broker.call(1, "weather", &[b'x'; 10_000]);
    assert_eq!(broker.into_records()[0].arguments.len(), 4096);
}

#[tokio::test(start_paused = true)]
async fn a_tool_has_its_own_time_and_never_more_than_the_limit() {
    for (limit, length, whose) in [(60, 2, "the tool's own timeout"), (1, 1, "limits.tool_timeout")] {
        let mut broker = broker(&Limits { tool_timeout: Duration::from_secs(limit), ..Limits::default() });
        assert!(matches!(broker.call(1, "quick", b"{}"), Decision::Serve { timeout } if timeout.as_secs() == length));
        advance(Duration::from_secs(length)).await;
        let [(1, failure)] = &broker.expire()[..] else { panic!("nothing is over") };
        assert_eq!(failure.message, format!("tool_timeout: `quick` did not answer within {length} s ({whose})"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_held_waits_as_long_as_it_takes() {
    let mut broker = broker(&Limits::default());
    broker.call(1, "quick", b"{}");
    advance(Duration::from_secs(1)).await;
    broker.hold(1, true);
    broker.hold(1, true); // said twice: it is held once
    advance(Duration::from_secs(500)).await;
    assert_eq!((broker.deadline(), broker.expire().len()), (None, 0));
    broker.hold(1, false);
    broker.hold(2, true); // not a call
    assert_eq!(broker.deadline(), Some(Instant::now() + Duration::from_secs(1)));
    advance(Duration::from_secs(1)).await;
    assert_eq!(broker.expire().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_is_the_hosts_until_it_is_the_codes_to_read() {
    let mut broker = broker(&Limits::default());
    assert!(!broker.waits_for_host(false));
    assert!(matches!(broker.call(1, "weather", b"{}"), Decision::Serve { .. }));
    assert!(broker.waits_for_host(true), "it has not begun");
    assert!(matches!(broker.answer_part(1, 9, 4), Part::Pass { total: 9 }));
    assert!(broker.waits_for_host(false) && !broker.waits_for_host(true));
    assert!(matches!(broker.call(2, "weather", b"{}"), Decision::Serve { .. }));
    assert!(broker.waits_for_host(true), "for the other one");
    assert!(matches!(broker.answer_part(1, 0, 5), Part::Pass { total: 9 }));
    assert!(matches!(broker.answer_part(1, 0, 1), Part::Unwanted));
    assert!(matches!(broker.answer_part(2, 9, 4), Part::Pass { .. }));
    advance(Duration::from_secs(61)).await;
    assert_eq!(broker.expire().len(), 1);
    assert!(!broker.waits_for_host(false));
    assert!(matches!(broker.answer_part(2, 0, 5), Part::Unwanted), "the rest of what was given up");
    let statuses: Vec<_> = statuses(broker).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [ToolCallStatus::Ok, ToolCallStatus::Timeout]);
}
