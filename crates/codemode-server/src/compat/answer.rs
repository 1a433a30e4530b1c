//! From a report to `ExecutionResponse`.
//!
//! The published client shows `error` and nothing else of a failure, so that it names the error and the line. It reads
//! no message above 4 MiB and then runs the code again, so that no answer is larger.

use codemode_proto::compat::ExecutionResponse;
use codemode_types::{ExecutionReport, Outcome};

use super::{clipped, values::document};

/// For result and output together. The rest is for an error's words and its traceback.
const MOST_BYTES: usize = 3 << 20;
/// Of either.
const MOST_WORDS: usize = 256 << 10;

/// What the code has written to one stream, as far as there is room for it.
#[derive(Debug, Default)]
pub(super) struct Collected {
    text: Vec<u8>,
    is_cut: bool,
}

impl Collected {
    pub(super) fn take(&mut self, data: &[u8]) {
        let room = MOST_BYTES - self.text.len();
        self.is_cut |= data.len() > room;
        self.text.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// At most `room` bytes and a note.
    fn shown(&self, room: usize, is_cut: bool) -> String {
        // Bytes that are no text may take three where there was one.
        let whole = String::from_utf8_lossy(&self.text);
        let text = clipped(&whole, room);
        match is_cut || self.is_cut || text.len() < whole.len() {
            true => format!("{text}\n[the output is longer and was cut here]\n"),
            false => text.to_owned(),
        }
    }
}

/// `late`: the caller's own patience ended the code.
pub(super) fn answer(
    report: &ExecutionReport,
    stdout: &Collected,
    stderr: &Collected,
    late: bool,
) -> ExecutionResponse {
    let mut response = ExecutionResponse {
        correlation_id: report.correlation_id.to_string(),
        duration_ms: report.duration.as_secs_f32() * 1e3,
        ..ExecutionResponse::default()
    };
    match report.outcome {
        Outcome::Ok => {
            response.success = true;
            let result = report.result.as_deref().filter(|result| result.len() <= MOST_BYTES).map(document);
            let too_large = result.as_ref().map_or(report.result.is_some(), |result| result.len() > MOST_BYTES);
            match too_large {
                false => response.result = result.unwrap_or_default(),
                true => {
                    let message = "the result is larger than 3 MiB, for which this protocol has room; return less, or \
                                   write it to /outputs";
                    fail(&mut response, "ResultTooLarge", message);
                }
            }
        }
        Outcome::Cancelled if late => {
            let message = "the caller's own deadline is over (executor_timeout); the code was ended";
            fail(&mut response, "Timeout", message);
        }
        outcome => {
            let (error_type, message) = failure(report, outcome);
            fail(&mut response, &error_type, &message);
        }
    }
    let traceback = report.failure.as_ref().map_or("", |failure| clipped(&failure.traceback, MOST_WORDS));
    let room = MOST_BYTES.saturating_sub(response.result.len());
    response.stderr = stderr.shown(room / 2, report.stderr_truncated);
    response.stdout = stdout.shown(room.saturating_sub(response.stderr.len()), report.stdout_truncated);
    // As CPython would have written it.
    response.stderr.push_str(traceback);
    response
}

pub(super) fn fail(response: &mut ExecutionResponse, error_type: &str, message: &str) {
    response.success = false;
    let message = clipped(message, MOST_WORDS);
    response.error = match message.is_empty() {
        true => error_type.to_owned(),
        false => format!("{error_type}: {message}"),
    };
    response.error_type = error_type.to_owned();
}

fn failure(report: &ExecutionReport, outcome: Outcome) -> (String, String) {
    let Some(failure) = &report.failure else {
        let message = format!("the code ended with exit code {}", report.exit_code);
        return (outcome.error_type().unwrap_or("Error").to_owned(), message);
    };
    let line = failure.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    (failure.error_type.clone(), format!("{}{line}", failure.message))
}

#[cfg(test)]
mod tests {
    use codemode_types::{CorrelationId, ExecutionFailure, ExecutionId, Isolation, Tier, Usage};

    use super::*;

    fn report(outcome: Outcome, result: Option<&[u8]>) -> ExecutionReport {
        ExecutionReport {
            execution_id: ExecutionId::parse("e").unwrap(),
            correlation_id: CorrelationId::parse("c-1").unwrap(),
            outcome,
            exit_code: 1,
            result: result.map(<[u8]>::to_vec),
            variables: None,
            failure: None,
            tool_calls: Vec::new(),
            artifacts: Vec::new(),
            violations: Vec::new(),
            usage: Usage::default(),
            isolation: Isolation {
                tier: Tier::Full,
                layers: Vec::new(),
                substitutes: Vec::new(),
                not_promised: Vec::new(),
            },
            warnings: Vec::new(),
            stdout_truncated: false,
            stderr_truncated: false,
            duration: std::time::Duration::from_millis(1500),
        }
    }

    fn collected(text: &[u8]) -> Collected {
        let mut collected = Collected::default();
        collected.take(text);
        collected
    }

    #[test]
    fn an_error_says_what_and_where_and_its_traceback_is_on_stderr() {
        let failure = ExecutionFailure {
            error_type: "KeyError".into(),
            message: "'x'".into(),
            traceback: "Traceback\nKeyError: 'x'\n".into(),
            line: Some(3),
        };
        let report = ExecutionReport { failure: Some(failure), ..report(Outcome::Error, None) };
        let response = answer(&report, &collected(b"out"), &collected(b"err\n"), false);
        assert!(!response.success && response.result.is_empty());
        assert_eq!((response.error.as_str(), response.error_type.as_str()), ("KeyError: 'x' (line 3)", "KeyError"));
        assert_eq!(response.stderr, "err\nTraceback\nKeyError: 'x'\n");
        assert_eq!((response.stdout.as_str(), response.correlation_id.as_str()), ("out", "c-1"));
        assert!((response.duration_ms - 1500.0).abs() < f32::EPSILON);
    }

    #[test]
    fn the_callers_deadline_is_a_timeout_and_no_other_end_is() {
        let of = |outcome, late| {
            answer(&report(outcome, None), &Collected::default(), &Collected::default(), late).error_type
        };
        assert_eq!(of(Outcome::Cancelled, true), "Timeout");
        assert_eq!(of(Outcome::Cancelled, false), "Cancelled");
        assert_eq!(of(Outcome::MemoryLimit, true), "MemoryLimitExceeded");
        assert!(answer(&report(Outcome::Ok, None), &Collected::default(), &Collected::default(), true).success);
    }

    #[test]
    fn no_answer_is_larger_than_its_reader_takes() {
        let large = vec![0xff; MOST_BYTES + 9];
        for result in [1, MOST_BYTES / 2, MOST_BYTES - 2, MOST_BYTES + 1] {
            let result = format!("\"{}\"", "x".repeat(result)).into_bytes();
            let mut words = report(Outcome::Ok, Some(&result));
            words.failure = Some(ExecutionFailure { traceback: "x".repeat(5 << 20), ..ExecutionFailure::default() });
            let response = answer(&words, &collected(&large), &collected(&large), false);
            assert!(prost::Message::encoded_len(&response) < 4 << 20);
            assert_eq!(response.success, result.len() <= MOST_BYTES);
            assert!(response.stdout.ends_with("[the output is longer and was cut here]\n"));
        }
    }
}
