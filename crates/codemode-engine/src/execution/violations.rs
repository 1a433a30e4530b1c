//! What the code tried and may not, bounded: the code can try as often as it likes.

use codemode_egress::{Decision, Refusal};
use codemode_types::{Violation, ViolationSource};

use super::exec_watch::Refused;
use crate::escape::shortened;

/// The kind of what the way out of a restricted network refused.
pub const NETWORK_VIOLATION: &str = "unauthorized_network";

const MOST: usize = 1000;

/// Different refusals of the network that are kept; of further ones only the number.
const MOST_OF_NETWORK: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Violations {
    kept: Vec<Violation>,
    dropped: u64,
    of_network: usize,
}

impl Violations {
    pub(crate) fn by_guest(&mut self, kind: &str, detail: &str) {
        self.push(Violation { kind: kind.into(), detail: detail.into(), source: ViolationSource::Guest });
    }

    pub(crate) fn by_supervisor(&mut self, kind: &str, detail: String) {
        self.push(Violation { kind: kind.into(), detail, source: ViolationSource::Supervisor });
    }

    /// What the guest has said of the same refusals is not listed twice.
    pub(crate) fn refused_commands(&mut self, refused: Refused) {
        const KIND: &str = "unauthorized_command";
        let Refused { names, unnamed } = refused;
        let is_known = |said: &Violation| said.kind == KIND && names.contains(&said.detail);
        self.kept.retain(|said| said.source == ViolationSource::Supervisor || !is_known(said));
        names.into_iter().for_each(|name| self.by_supervisor(KIND, name));
        self.dropped += unnamed;
    }

    /// Each once. That a host does not answer is none.
    pub(crate) fn by_proxy(&mut self, decision: &Decision) {
        if decision.verdict.as_ref().err().is_none_or(Refusal::is_failure) {
            return;
        }
        let detail = decision.to_string();
        if self.kept.iter().any(|said| said.kind == NETWORK_VIOLATION && said.detail == detail) {
            return;
        }
        match self.of_network < MOST_OF_NETWORK {
            true => {
                self.of_network += 1;
                self.by_supervisor(NETWORK_VIOLATION, detail);
            }
            false => self.dropped += 1,
        }
    }

    pub(crate) fn push(&mut self, violation: Violation) {
        // The supervisor's own are few, and a flood from the guest must not hide them.
        if self.kept.len() >= MOST && violation.source == ViolationSource::Guest {
            self.dropped += 1;
            return;
        }
        if self.kept.len() >= 2 * MOST {
            self.dropped += 1;
            return;
        }
        let (kind, detail) = (shortened(&violation.kind, 100), shortened(&violation.detail, 1000));
        self.kept.push(Violation { kind, detail, source: violation.source });
    }

    /// The list, and a warning if it is not whole.
    pub(crate) fn into_parts(self) -> (Vec<Violation>, Option<String>) {
        let warning = (self.dropped > 0).then(|| format!("{} further violations are not listed", self.dropped));
        (self.kept, warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_supervisor_saw_is_listed_once_and_as_the_supervisors() {
        let mut violations = Violations::default();
        violations.by_guest("unauthorized_command", "rm");
        violations.by_guest("unauthorized_command", "curl");
        violations.by_guest("unauthorized_path", "rm");
        violations.refused_commands(Refused { names: vec!["rm".into(), "wget".into()], unnamed: 0 });
        let (kept, warning) = violations.into_parts();
        let listed: Vec<_> =
            kept.iter().map(|one| (one.kind.as_str(), one.detail.as_str(), one.source.as_str())).collect();
        let expected = [
            ("unauthorized_command", "curl", "guest"),
            ("unauthorized_path", "rm", "guest"),
            ("unauthorized_command", "rm", "supervisor"),
            ("unauthorized_command", "wget", "supervisor"),
        ];
        assert_eq!((listed, warning), (expected.to_vec(), None));
    }

    #[test]
    fn a_flood_is_bounded_and_hides_nothing_of_the_supervisors() {
        let mut violations = Violations::default();
        for _ in 0..5000 {
            violations.by_guest("unauthorized_path", "/etc/shadow");
        }
        violations.by_supervisor("process_limit", "…".into());
        let (kept, warning) = violations.into_parts();
        assert_eq!(kept.len(), MOST + 1);
        assert_eq!(kept.last().map(|last| last.source), Some(ViolationSource::Supervisor));
        assert_eq!(warning.as_deref(), Some("4000 further violations are not listed"));
    }
}
