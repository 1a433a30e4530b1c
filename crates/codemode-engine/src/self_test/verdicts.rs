//! What an execution of attacks said, read as if a stranger had said it.

use codemode_types::{ByteSize, ExecutionReport, Outcome};

use super::attacks::Attack;
use crate::escape::escaped;

/// Of an execution's verdicts.
pub(super) const MOST_BYTES: ByteSize = ByteSize(64 << 10);

#[derive(Debug)]
pub(super) struct Escape {
    pub(super) attack: Attack,
    pub(super) happened: String,
}

impl Escape {
    pub(super) fn new(attack: &Attack, happened: String) -> Self {
        Self { attack: *attack, happened: escaped(&happened) }
    }
}

/// Those that succeeded. An error: the attacks did not all have their try, and nothing is known.
pub(super) fn escapes(report: &ExecutionReport, attacks: &[Attack]) -> Result<Vec<Escape>, String> {
    let verdicts = verdicts(report)?;
    let mut escapes = Vec::new();
    let mut broken = Vec::new();
    for (attack, (name, verdict, happened)) in attacks.iter().zip(&verdicts) {
        match verdict.as_str() {
            _ if name != attack.name => return Err(format!("`{name}` answers in the place of `{}`", attack.name)),
            "contained" => {}
            "escaped" => escapes.push(Escape::new(attack, happened.clone())),
            _ => broken.push(format!("attack `{name}` is {verdict}: {happened}")),
        }
    }
    match () {
        // What got through is the worse news.
        () if !escapes.is_empty() => Ok(escapes),
        () if !broken.is_empty() => Err(broken.join("; ")),
        () if verdicts.len() != attacks.len() => Err(format!("{} of {} attacks ran", verdicts.len(), attacks.len())),
        () => Ok(escapes),
    }
}

/// Name, verdict, what happened.
fn verdicts(report: &ExecutionReport) -> Result<Vec<(String, String, String)>, String> {
    if report.outcome != Outcome::Ok {
        let failure = report.failure.clone().unwrap_or_default();
        return Err(format!("its outcome is {} ({}: {})", report.outcome, failure.error_type, failure.message));
    }
    let result = report.result.as_deref().unwrap_or_default();
    serde_json::from_slice(result).map_err(|error| format!("its result is no list of verdicts: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use codemode_types::{CorrelationId, ExecutionFailure, ExecutionId, Isolation, Tier, Usage};

    use super::*;

    const ATTACKS: [Attack; 2] = [
        Attack { name: "one", wall: "the first", removable: &[] },
        Attack { name: "two", wall: "the second", removable: &[] },
    ];

    fn report(outcome: Outcome, result: &str) -> ExecutionReport {
        ExecutionReport {
            execution_id: ExecutionId::parse("test").unwrap(),
            correlation_id: CorrelationId::parse("test").unwrap(),
            outcome,
            exit_code: 0,
            result: Some(result.into()),
            variables: None,
            failure: (outcome != Outcome::Ok).then(|| ExecutionFailure {
                error_type: "T".into(),
                message: "m".into(),
                ..Default::default()
            }),
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
            duration: Duration::ZERO,
        }
    }

    /// What succeeded, as text, or why nothing is known.
    fn read(result: &str) -> Result<Vec<String>, String> {
        let escapes = escapes(&report(Outcome::Ok, result), &ATTACKS)?;
        Ok(escapes.into_iter().map(|escape| format!("{}: {}", escape.attack.name, escape.happened)).collect())
    }

    #[test]
    fn a_report_of_an_escape_is_an_escape() {
        assert_eq!(read(r#"[["one","contained",""],["two","contained",""]]"#), Ok(vec![]));
        let read_escape = read(r#"[["one","contained",""],["two","escaped","read a\nfile"]]"#);
        assert_eq!(read_escape, Ok(vec!["two: read a\\u{a}file".to_owned()]));
        let both = read(r#"[["one","broken","OSError()"],["two","escaped","did"]]"#);
        assert_eq!(both, Ok(vec!["two: did".to_owned()]), "one that breaks does not hide one that gets through");
    }

    #[test]
    fn anything_but_all_verdicts_is_an_error() {
        for (result, says) in [
            ("4", "no list"),
            ("", "no list"),
            (r#"[["one","contained",""]]"#, "1 of 2"),
            (r#"[["one","contained",""],["two","contained",""],["three","contained",""]]"#, "3 of 2"),
            (r#"[["two","contained",""],["one","contained",""]]"#, "in the place of"),
            (r#"[["one","contained",""],["two","broken","OSError()"]]"#, "`two` is broken: OSError()"),
            (r#"[["one","contained",""],["two","fine",""]]"#, "`two` is fine"),
        ] {
            let error = read(result).unwrap_err();
            assert!(error.contains(says), "{result}: {error}");
        }
        let timeout = escapes(&report(Outcome::Timeout, r#"[["one","contained",""]]"#), &ATTACKS).unwrap_err();
        assert_eq!(timeout, "its outcome is timeout (T: m)");
    }
}
