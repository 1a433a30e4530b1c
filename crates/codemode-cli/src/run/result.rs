//! What came of the execution, for a person or for a program.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use codemode_client::{ClientError, ExecutionOutcome, Value};
use codemode_server::{Refusal, escaped, escaped_lines};
use codemode_types::{ExecutionFailure, ExecutionReport};

use crate::exit::{self, Failure};

pub(super) fn print(outcome: &ExecutionOutcome, json: bool) -> Result<ExitCode, Failure> {
    match json {
        true => print_json(outcome)?,
        false => print_text(outcome)?,
    }
    // Codes of processes are 0 to 255; what lies outside is a failure whatever its low bits say.
    Ok(ExitCode::from(u8::try_from(outcome.report.exit_code).unwrap_or(1)))
}

/// Where there is no report: the same document with only what is known.
pub(super) fn print_error(error: &ClientError, exit: u8) -> Result<ExitCode, Failure> {
    let (outcome, error_type, message) = refusal(error);
    let execution_id = error.execution_id().map(ToString::to_string);
    let refusal = Refusal { execution_id: execution_id.as_deref(), outcome, error_type, message: &message };
    let document = codemode_server::refusal_json(&refusal).map_err(Failure::unavailable)?;
    exit::print(&format!("{}\n", String::from_utf8_lossy(&document)))?;
    Ok(ExitCode::from(exit))
}

/// Outcome, error type and message. The types of what is no refusal are the names that the Python package raises.
fn refusal(error: &ClientError) -> (Option<&'static str>, &'static str, String) {
    let error_type = match error {
        ClientError::Rejected { rejection, .. } => {
            return (Some("rejected"), "Rejected", format!("{}: {rejection}", rejection.code));
        }
        ClientError::Overloaded { .. } => "ExecutorOverloaded",
        ClientError::Timeout { .. } => "ExecutorTimeoutError",
        ClientError::Authentication { .. } => "AuthenticationError",
        ClientError::Tls { problem, .. } if problem.is_refusal() => "AuthenticationError",
        ClientError::Config { .. } => "ConfigError",
        _ => "ExecutorConnectionError",
    };
    (None, error_type, error.to_string())
}

fn print_json(outcome: &ExecutionOutcome) -> Result<(), Failure> {
    let (stdout, stderr) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    let document = codemode_server::report_json(&outcome.report, &stdout, &stderr).map_err(Failure::unavailable)?;
    exit::print(&format!("{}\n", String::from_utf8_lossy(&document))).map(|_| ())
}

fn print_text(outcome: &ExecutionOutcome) -> Result<(), Failure> {
    let report = &outcome.report;
    if let Some(text) = report.result.as_deref().and_then(result_text) {
        let separator = if outcome.stdout.is_empty() || outcome.stdout.ends_with(b"\n") { "" } else { "\n" };
        exit::print(&format!("{separator}{text}\n"))?;
    }
    let separator = if outcome.stderr.is_empty() || outcome.stderr.ends_with(b"\n") { "" } else { "\n" };
    let notes = notes(report);
    if !notes.is_empty() {
        let _ = io::stderr().write_all(format!("{separator}{notes}").as_bytes());
    }
    Ok(())
}

/// Text as it is, `None` not at all, anything else as JSON.
fn result_text(result: &[u8]) -> Option<String> {
    match serde_json::from_slice(result) {
        Ok(Value::Null) => None,
        Ok(Value::String(text)) => Some(text),
        // The guest's own text: a parsed number would lose digits.
        _ => Some(String::from_utf8_lossy(result).into_owned()),
    }
}

/// Why it failed, and what the executor has to say. The code chose parts of it: none of them may drive a terminal, and
/// what stands behind `codemode:` stays on its line.
fn notes(report: &ExecutionReport) -> String {
    let mut lines = Vec::new();
    if let Some(failure) = report.failure.as_ref().and_then(failure_text) {
        lines.push(escaped_lines(failure.trim_end_matches('\n')).into_owned());
    }
    let said = |text: &str| format!("codemode: {}", escaped(text));
    // The failure is about this one already.
    let others = report.violations.iter().filter(|it| it.kind != report.outcome.as_str());
    lines.extend(others.map(|it| said(&format!("{}: {}", it.kind, it.detail))));
    lines.extend(report.warnings.iter().map(|warning| said(warning)));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The traceback, and the failure itself where the traceback's last line has not told it.
fn failure_text(failure: &ExecutionFailure) -> Option<String> {
    let last = format!("{}: {}", failure.error_type, failure.message);
    // The code's own way to end: its exit code is an answer already, and a text it gave is on stderr.
    if failure.error_type == "SystemExit" {
        return None;
    }
    Some(match failure.traceback.trim_end() {
        "" => last,
        traceback if tells(traceback, failure) => traceback.to_owned(),
        traceback => format!("{traceback}\n{last}"),
    })
}

fn tells(traceback: &str, failure: &ExecutionFailure) -> bool {
    let names_it = traceback.lines().next_back().is_some_and(|line| line.contains(&failure.error_type));
    names_it || (!failure.message.is_empty() && traceback.contains(failure.message.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_read_as_a_person_expects() {
        let cases: [(&[u8], Option<&str>); 5] = [
            (b"4", Some("4")),
            (b"123456789012345678901234567890", Some("123456789012345678901234567890")),
            (b"\"two\\nlines\"", Some("two\nlines")),
            (b"{\"a\": [1.0]}", Some("{\"a\": [1.0]}")),
            (b"null", None),
        ];
        for (json, text) in cases {
            assert_eq!(result_text(json).as_deref(), text);
        }
    }

    #[test]
    fn a_failure_is_told_once() {
        let failure = |kind: &str, message: &str, traceback: &str| {
            let (error_type, message, traceback) = (kind.into(), message.into(), traceback.into());
            failure_text(&ExecutionFailure { error_type, message, traceback, line: Some(1) })
        };
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(failure("ValueError", "no", ""), told("ValueError: no"));
        assert_eq!(failure("ValueError", "no", "Frames\nValueError: no\n"), told("Frames\nValueError: no"));
        assert_eq!(failure("ValueError", "no", "Frames"), told("Frames\nValueError: no"));
        let syntax = "  ^\nSyntaxError: invalid syntax";
        assert_eq!(failure("SyntaxError", "invalid syntax (<code>, line 1)", syntax), told(syntax));
        assert_eq!(failure("SystemExit", "3", "Frames\nSystemExit: 3"), None);
    }
}
