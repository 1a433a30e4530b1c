use codemode_types::ByteSize;
use codemode_wire::guest::Limit;

use super::*;

const CALM: Evidence = Evidence {
    out_of_memory: false,
    cpu: Duration::ZERO,
    processes_refused: None,
    calls_refused: false,
    truncated: None,
};

fn verdict(end: End, evidence: Evidence) -> Verdict {
    let limits = Limits::default();
    judge(end, evidence, Bounds { limits: &limits, ceiling: &limits })
}

fn summary(end: End, evidence: Evidence) -> (Outcome, i32, String) {
    let verdict = verdict(end, evidence);
    (verdict.outcome, verdict.exit_code, verdict.failure.map(|failure| failure.error_type).unwrap_or_default())
}

fn finish(kind: FinishKind, exit_code: i32) -> Finish {
    Finish { kind, exit_code, result: Some(b"4".to_vec()), variables: None, failure: None, warnings: vec![] }
}

#[test]
fn outcomes_error_types_and_exit_codes_are_those_of_the_table() {
    let oom = Evidence { out_of_memory: true, ..CALM };
    let spun = Evidence { cpu: Duration::from_secs(30), ..CALM };
    let cases = [
        (End::Exited(3 << 8), CALM, Outcome::Error, 3, "SystemExit"),
        (End::Exited(0), CALM, Outcome::Error, 1, "SystemExit"),
        (End::Exited(9), CALM, Outcome::Killed, 137, "Killed"),
        (End::Exited(9), oom, Outcome::MemoryLimit, 137, "MemoryLimitExceeded"),
        (End::Exited(9), spun, Outcome::CpuLimit, 152, "CpuLimitExceeded"),
        (End::Exited(11 | 0x80), CALM, Outcome::Crashed, 139, "Crashed"),
        (End::Exited(24), CALM, Outcome::CpuLimit, 152, "CpuLimitExceeded"),
        (End::Exited(25), CALM, Outcome::DiskLimit, 153, "DiskLimitExceeded"),
        (End::Vanished, CALM, Outcome::Killed, 137, "Killed"),
        (End::Vanished, oom, Outcome::MemoryLimit, 137, "MemoryLimitExceeded"),
        (End::CodeTimeout, CALM, Outcome::Timeout, 124, "Timeout"),
        (End::TotalTimeout, oom, Outcome::Timeout, 124, "Timeout"),
        (End::CpuLimit, CALM, Outcome::CpuLimit, 152, "CpuLimitExceeded"),
        (End::MemoryLimit, CALM, Outcome::MemoryLimit, 137, "MemoryLimitExceeded"),
        (End::Cancelled, CALM, Outcome::Cancelled, 143, "Cancelled"),
        (End::HostLeft, CALM, Outcome::Cancelled, 143, "Cancelled"),
        (End::EngineStopped, CALM, Outcome::Interrupted, 143, "Interrupted"),
        (End::ZygoteLost, CALM, Outcome::Interrupted, 143, "Interrupted"),
        (End::NotStarted("no".into()), CALM, Outcome::Interrupted, 143, "Interrupted"),
        (End::Protocol("no".into()), CALM, Outcome::ProtocolError, 1, "ProtocolError"),
    ];
    for (end, evidence, outcome, exit_code, error_type) in cases {
        let text = format!("{end:?}");
        assert_eq!(summary(end, evidence), (outcome, exit_code, error_type.to_owned()), "{text}");
    }
}

#[test]
fn a_result_is_the_codes_own_word() {
    let verdict = verdict(End::Finished(Box::new(finish(FinishKind::Ok, 7))), CALM);
    assert_eq!((verdict.outcome, verdict.exit_code, verdict.failure), (Outcome::Ok, 0, None));
    assert_eq!(verdict.result.as_deref(), Some(&b"4"[..]));
}

#[test]
fn variables_stand_beside_every_word_of_the_code_and_have_the_room_that_the_result_leaves() {
    let kept = |kind, length| {
        let finish = Finish { variables: Some(vec![b' '; length]), ..finish(kind, 1) };
        let limits = Limits { result_bytes: ByteSize(4096), ..Limits::default() };
        let bounds = Bounds { limits: &limits, ceiling: &limits };
        judge(End::Finished(Box::new(finish)), CALM, bounds).variables.map(|variables| variables.len())
    };
    assert_eq!((kept(FinishKind::Ok, 4095), kept(FinishKind::Ok, 4096)), (Some(4095), None));
    assert_eq!(kept(FinishKind::Error, 10), Some(10));
}

#[test]
fn cut_output_costs_the_success_and_not_the_result() {
    let evidence = Evidence { truncated: Some(OutputStream::Stderr), ..CALM };
    let cut = verdict(End::Finished(Box::new(finish(FinishKind::Ok, 0))), evidence);
    assert_eq!((cut.outcome, cut.exit_code, cut.result.as_deref()), (Outcome::OutputLimit, 0, Some(&b"4"[..])));
    let failure = cut.failure.unwrap();
    assert_eq!(failure.error_type, "OutputLimitExceeded");
    assert!(failure.message.starts_with("stderr was cut at 10 MiB (limits.output_bytes)"), "{}", failure.message);
    // What failed for another reason says that reason.
    let (outcome, ..) = summary(End::Finished(Box::new(finish(FinishKind::Error, 1))), evidence);
    assert_eq!(outcome, Outcome::Error);
}

#[test]
fn a_limit_that_the_code_claims_and_nobody_saw_is_an_error_like_any_other() {
    let said = || End::Finished(Box::new(finish(FinishKind::Limit(Limit::ToolCalls), 1)));
    assert_eq!(summary(said(), CALM).0, Outcome::Error);
    let seen = Evidence { calls_refused: true, ..CALM };
    assert_eq!(summary(said(), seen), (Outcome::ToolCallLimit, 1, "ToolCallLimitExceeded".to_owned()));
}

#[test]
fn an_error_never_has_the_exit_code_of_a_success() {
    for (said, held) in [(3, 3), (0, 1), (-1, 1), (256, 1), (255, 255)] {
        let verdict = verdict(End::Finished(Box::new(finish(FinishKind::Error, said))), CALM);
        assert_eq!((verdict.outcome, verdict.exit_code, verdict.result), (Outcome::Error, held, None));
    }
}

#[test]
fn a_result_over_the_limit_is_refused_whatever_the_code_says() {
    let limits = Limits { result_bytes: ByteSize(4096), ..Limits::default() };
    let large = Finish { result: Some(vec![b'1'; 4097]), ..finish(FinishKind::Ok, 0) };
    let bounds = Bounds { limits: &limits, ceiling: &limits };
    let verdict = judge(End::Finished(Box::new(large)), CALM, bounds);
    assert_eq!((verdict.outcome, verdict.result), (Outcome::ResultTooLarge, None));
}

#[test]
fn what_the_code_says_about_itself_is_bounded() {
    let warnings = vec!["w".repeat(5000); 200];
    let failure = ExecutionFailure { message: "m".repeat(1 << 20), ..ExecutionFailure::default() };
    let said = Finish { warnings, failure: Some(failure), ..finish(FinishKind::Error, 1) };
    let verdict = verdict(End::Finished(Box::new(said)), CALM);
    assert_eq!(verdict.warnings.len(), 101);
    assert!(verdict.warnings[0].len() < 1100);
    assert!(verdict.failure.is_some_and(|failure| failure.message.len() < 66_000));
}

#[test]
fn a_timeout_names_its_limit_and_the_way_to_more() {
    let ceiling = Limits::default();
    let limits = Limits { code_timeout: Duration::from_millis(1500), ..Limits::default() };
    let message = |limits: &Limits| {
        let verdict = judge(End::CodeTimeout, CALM, Bounds { limits, ceiling: &ceiling });
        verdict.failure.map(|failure| failure.message).unwrap_or_default()
    };
    assert_eq!(
        message(&limits),
        "the code ran longer than 1.5 s, tool calls not counted (limits.code_timeout). Ask for more time \
         (execution_timeout in Python, --timeout on the command line, code_timeout over HTTP): this executor allows \
         up to 30 s"
    );
    assert_eq!(
        message(&ceiling),
        "the code ran longer than 30 s, tool calls not counted (limits.code_timeout). Ask for more time \
         (execution_timeout in Python, --timeout on the command line, code_timeout over HTTP); where the executor \
         clamps it, raise limits.code_timeout in its policy"
    );
}
