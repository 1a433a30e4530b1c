//! What is written of each event. docs/audit.md is the reference of every field.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use codemode_engine::Decision as NetworkDecision;
use codemode_types::{ExecutionReport, ToolCallRecord, ToolCallStatus, Violation};
use serde_json::{Map, Value, json};

use super::{
    escape::{capped, escaped},
    origin::Origin,
};
use crate::http::{milliseconds, usage};

/// Bytes of what others chose. With them no line is longer than 4096 (PIPE_BUF): a pipe takes each one whole, and one
/// event cannot fill a disk.
const MOST_DETAIL: usize = 1500;
const MOST_NAME: usize = 600;
const MOST_WORD: usize = 200;

/// One JSON object and its line feed.
#[derive(Debug)]
pub(crate) struct Line(String);

impl Line {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Whom an event is about, as far as that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(super) origin: Origin,
    pub(super) execution_id: Option<String>,
    pub(super) correlation_id: Option<String>,
    pub(super) code_sha256: Option<String>,
    pub(super) environment: Option<String>,
}

/// What was decided and why; `None` where nothing was.
type Decision<'a> = Option<(Verdict, &'a str)>;

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Allow,
    Deny,
}

impl Subject {
    pub(super) fn start(&self, code_bytes: usize, tools: usize) -> Line {
        let environment = self.environment.as_ref().map(|name| capped(name, MOST_NAME));
        let more = json!({
            "path": self.path(), "code_bytes": code_bytes, "tools": tools, "environment": environment,
        });
        self.line("start", Some((Verdict::Allow, "admitted")), more)
    }

    pub(super) fn refusal(&self, reason: &str, detail: &str) -> Line {
        let more = json!({"path": self.path(), "detail": capped(detail, MOST_DETAIL)});
        self.line("refusal", Some((Verdict::Deny, reason)), more)
    }

    /// Before the application hears of it.
    pub(super) fn tool_called(&self, call_id: u64, tool: &str) -> Line {
        let more = tool_call(Some(call_id), tool, "called", None);
        self.line("tool_call", Some((Verdict::Allow, "offered")), more)
    }

    pub(super) fn tool_refused(&self, call: &ToolCallRecord) -> Line {
        // The executor's own words: an application's, which may quote values, belong to calls that were served.
        let reason = call.error.split_once(": ").map_or("too_large", |(code, _)| code);
        self.line("tool_call", Some((Verdict::Deny, reason)), tool_call(None, &call.name, "refused", None))
    }

    pub(super) fn tool_finished(&self, call_id: Option<u64>, call: &ToolCallRecord) -> Line {
        let more = tool_call(call_id, &call.name, call.status.as_str(), Some(call.duration));
        self.line("tool_call", Some((Verdict::Allow, "offered")), more)
    }

    pub(super) fn violation(&self, violation: &Violation) -> Line {
        let more = json!({"detail": capped(&violation.detail, MOST_DETAIL), "source": violation.source.as_str()});
        self.line("violation", Some((Verdict::Deny, &violation.kind)), more)
    }

    pub(super) fn network(&self, decision: &NetworkDecision) -> Line {
        let (verdict, reason) = match &decision.verdict {
            Ok(()) => (Verdict::Allow, "allowed"),
            Err(refusal) => (Verdict::Deny, refusal.word()),
        };
        let more = json!({
            "host": capped(&decision.host, MOST_NAME),
            "port": decision.port,
            "via": decision.via.as_str(),
            "address": decision.address.map(|address| address.to_string()),
            "detail": capped(&decision.to_string(), MOST_DETAIL),
        });
        self.line("network", Some((verdict, reason)), more)
    }

    pub(super) fn end(&self, report: &ExecutionReport) -> Line {
        let bytes: u64 = report.artifacts.iter().map(|artifact| artifact.size).sum();
        let more = json!({
            "outcome": report.outcome.as_str(),
            "exit_code": report.exit_code,
            "duration_ms": milliseconds(report.duration),
            "usage": usage(&report.usage),
            "tool_calls": report.tool_calls.len(),
            "violations": report.violations.len(),
            "artifacts": report.artifacts.len(),
            "artifact_bytes": bytes,
            "tier": report.isolation.tier.as_str(),
            "warnings": capped(&report.warnings.join("; "), MOST_NAME),
        });
        self.line("end", None, more)
    }

    /// The daemon ended first, or lost its hold on the execution.
    pub(super) fn end_unknown(&self) -> Line {
        self.line("end", None, json!({"outcome": null}))
    }

    fn path(&self) -> Option<String> {
        self.origin.path().map(|path| capped(path, MOST_WORD).into_owned())
    }

    fn line(&self, event: &str, decision: Decision<'_>, more: Value) -> Line {
        let mut members = head(event);
        members.insert("execution_id".into(), json!(self.execution_id));
        members.insert("correlation_id".into(), json!(self.correlation_id));
        members.insert("trace_id".into(), json!(self.origin.trace_id()));
        members.insert("principal".into(), json!(self.origin.principal()));
        members.insert("peer".into(), json!(self.origin.peer()));
        members.insert("code_sha256".into(), json!(self.code_sha256));
        let (verdict, reason) = match decision {
            Some((Verdict::Allow, reason)) => (json!("allow"), json!(capped(reason, MOST_WORD))),
            Some((Verdict::Deny, reason)) => (json!("deny"), json!(capped(reason, MOST_WORD))),
            None => (Value::Null, Value::Null),
        };
        members.insert("decision".into(), verdict);
        members.insert("reason".into(), reason);
        finished(members, more)
    }
}

/// The daemon's own events concern nobody.
pub(super) fn daemon(event: &str, more: Value) -> Line {
    finished(head(event), more)
}

/// What was not written one by one while the log could not be.
pub(super) fn gap(since: Option<SystemTime>, error: Option<&str>, refusals: u64) -> Line {
    let error = error.map(|error| capped(error, MOST_NAME));
    daemon("gap", json!({"since": since.map(timestamp), "error": error, "refusals": refusals}))
}

fn head(event: &str) -> Map<String, Value> {
    let mut members = Map::with_capacity(16);
    members.insert("time".into(), timestamp(SystemTime::now()).into());
    members.insert("event".into(), event.into());
    members
}

fn finished(mut members: Map<String, Value>, more: Value) -> Line {
    if let Value::Object(more) = more {
        members.extend(more);
    }
    Line(format!("{}\n", escaped(&Value::Object(members).to_string())))
}

fn tool_call(call_id: Option<u64>, tool: &str, status: &str, duration: Option<Duration>) -> Value {
    let duration = duration.map(milliseconds);
    json!({"call_id": call_id, "tool": capped(tool, MOST_NAME), "status": status, "duration_ms": duration})
}

/// RFC 3339 with milliseconds. A clock before 1970 counts as 1970.
fn timestamp(time: SystemTime) -> String {
    let mut text = String::with_capacity(24);
    // Fails in the year 10000.
    let _ = write!(text, "{}", humantime::format_rfc3339_millis(time.max(SystemTime::UNIX_EPOCH)));
    text
}

/// Served calls have taken time; a refusal is recorded at once.
pub(super) fn was_refused(call: &ToolCallRecord) -> bool {
    call.status == ToolCallStatus::Error && call.duration.is_zero()
}

#[cfg(test)]
mod tests {
    use codemode_types::ViolationSource;

    use super::*;

    fn subject() -> Subject {
        Subject {
            execution_id: Some("e".repeat(64)),
            correlation_id: Some("\"".repeat(128)),
            code_sha256: Some("a".repeat(64)),
            ..Subject::default()
        }
    }

    fn read(line: &Line) -> Value {
        let text = std::str::from_utf8(line.as_bytes()).unwrap();
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_000_000_042);
        assert_eq!(timestamp(time), "2026-11-18T11:06:40.042Z");
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_hostile_path_stays_inside_its_string() {
        let detail = "/x\n\x1b[31m\u{9b}2J\", \"decision\": \"allow\"}\n{\"event\": \"end\"}\u{202e}";
        let violation =
            Violation { kind: "unauthorized_path".into(), detail: detail.into(), source: ViolationSource::Guest };
        let line = subject().violation(&violation);
        let text = String::from_utf8(line.as_bytes().into()).unwrap();
        assert!(text.trim_end_matches('\n').bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{text}");
        let value = read(&line);
        assert_eq!((&value["detail"], &value["decision"]), (&json!(detail), &json!("deny")));
    }

    #[test]
    fn no_line_is_too_long_for_a_pipe() {
        const PIPE_BUF: usize = 4096;
        for filler in ["\x1b", "\u{e0041}", "\"", "\\", "👍"] {
            let long = filler.repeat(5000);
            let violation = Violation { kind: long.clone(), detail: long.clone(), source: ViolationSource::Guest };
            let call = ToolCallRecord {
                name: long.clone(),
                arguments: Vec::new(),
                status: ToolCallStatus::Error,
                duration: Duration::MAX,
                error: long.clone(),
            };
            let subject = subject();
            for line in [
                subject.violation(&violation),
                subject.refusal(&long, &long),
                subject.tool_called(u64::MAX, &long),
                subject.tool_refused(&call),
                subject.tool_finished(Some(u64::MAX), &call),
            ] {
                // What the caller's address, key and trace add.
                assert!(line.as_bytes().len() + 400 < PIPE_BUF, "{}", line.as_bytes().len());
                read(&line);
            }
        }
    }
}
