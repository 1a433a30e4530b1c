//! Limits that the code met as ordinary errors: what the one means that it died of, and which it can be seen to have
//! met.

use std::os::fd::OwnedFd;

use codemode_sandbox::watch;
use codemode_types::{ExecutionFailure, Limits, Outcome};
use codemode_wire::guest::Limit;

use super::end::{Evidence, Verdict};

/// The writable folders in the order in which a cell hands them over, each with what sets its size.
const FOLDERS: [(&str, &str); 4] = [
    ("/outputs", "filesystem.outputs.max_size"),
    ("/sandbox", "filesystem.sandbox.max_size"),
    ("/tmp", "filesystem.tmp.max_size"),
    ("/dev/shm", "a fixed size"),
];

/// What is to be said of each folder that can take no more.
pub(super) fn full(folders: &[OwnedFd]) -> Vec<String> {
    // In tier container the last is not there, and others may be no file systems of their own: then the warden watches
    // them, and which are missing is not known here.
    if folders.len() + 1 < FOLDERS.len() {
        return Vec::new();
    }
    let full = FOLDERS.iter().zip(folders).filter(|(_, folder)| watch::is_full(folder));
    full.map(|((path, key), _)| format!("{path} is full ({key}, and never more than 7/8 of limits.memory_limit)"))
        .collect()
}

impl Evidence {
    /// Whether the supervisor would have seen this limit, and has not. The rest is the code's own word.
    pub(super) fn speaks_against(&self, limit: Limit) -> bool {
        match limit {
            Limit::Processes => self.processes_refused == Some(false),
            Limit::ToolCalls => !self.calls_refused,
            Limit::Memory | Limit::Disk | Limit::FileSize | Limit::OpenFiles => false,
        }
    }
}

/// The code did not catch the error that a limit gave it. It ended by itself, with an exit code of its own.
pub(super) fn died_of(limit: Limit, own: ExecutionFailure, exit_code: i32, limits: &Limits) -> Verdict {
    let (outcome, error_type) = match limit {
        Limit::Memory => (Outcome::MemoryLimit, None),
        Limit::Disk | Limit::FileSize => (Outcome::DiskLimit, None),
        Limit::Processes => (Outcome::ProcessLimit, None),
        Limit::ToolCalls => (Outcome::ToolCallLimit, None),
        // Not one of the outcomes: a limit that nothing but the code's own bookkeeping is about.
        Limit::OpenFiles => (Outcome::Error, Some("OpenFilesLimitExceeded")),
    };
    let exit_code = if outcome == Outcome::MemoryLimit { outcome.exit_code() } else { exit_code };
    let error_type = error_type.or(outcome.error_type()).unwrap_or_default().to_owned();
    let remedy = remedy(limit, limits).map(|remedy| format!(" ({remedy})")).unwrap_or_default();
    let message = format!("{}: {}{remedy}", own.error_type, own.message);
    Verdict {
        outcome,
        exit_code,
        result: None,
        variables: None,
        failure: Some(ExecutionFailure { error_type, message, ..own }),
        warnings: Vec::new(),
    }
}

/// `None`: the error says it.
fn remedy(limit: Limit, limits: &Limits) -> Option<String> {
    Some(match limit {
        Limit::Memory => format!("limits.memory_limit is {}", limits.memory_limit),
        Limit::Disk => "a folder is full; filesystem.sandbox, .tmp and .outputs each have a max_size, and all count \
                        against limits.memory_limit"
            .into(),
        Limit::FileSize => format!("limits.file_size is {}", limits.file_size),
        Limit::Processes => format!("limits.processes is {}, threads counted", limits.processes),
        Limit::OpenFiles => format!("limits.open_files is {}", limits.open_files),
        Limit::ToolCalls => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(error_type: &str) -> ExecutionFailure {
        ExecutionFailure { error_type: error_type.into(), message: "no".into(), traceback: "…".into(), line: Some(3) }
    }

    #[test]
    fn each_limit_has_its_own_error_and_says_which_key_it_is_about() {
        let cases = [
            (Limit::Memory, Outcome::MemoryLimit, 137, "MemoryLimitExceeded", "limits.memory_limit"),
            (Limit::Disk, Outcome::DiskLimit, 1, "DiskLimitExceeded", "max_size"),
            (Limit::FileSize, Outcome::DiskLimit, 1, "DiskLimitExceeded", "limits.file_size"),
            (Limit::Processes, Outcome::ProcessLimit, 1, "ProcessLimitExceeded", "limits.processes"),
            (Limit::OpenFiles, Outcome::Error, 1, "OpenFilesLimitExceeded", "limits.open_files"),
            (Limit::ToolCalls, Outcome::ToolCallLimit, 1, "ToolCallLimitExceeded", "no"),
        ];
        for (limit, outcome, exit_code, error_type, key) in cases {
            let verdict = died_of(limit, own("OSError"), 1, &Limits::default());
            let failure = verdict.failure.unwrap();
            assert_eq!(
                (verdict.outcome, verdict.exit_code, failure.error_type.as_str()),
                (outcome, exit_code, error_type)
            );
            assert!(failure.message.starts_with("OSError: no") && failure.message.contains(key), "{}", failure.message);
            assert_eq!((failure.traceback.as_str(), failure.line), ("…", Some(3)));
        }
    }

    #[test]
    fn the_supervisors_own_count_is_believed_first() {
        let seen = Evidence { processes_refused: Some(true), calls_refused: true, ..Evidence::default() };
        let unseen = Evidence { processes_refused: Some(false), ..Evidence::default() };
        for limit in [Limit::Processes, Limit::ToolCalls] {
            assert!(!seen.speaks_against(limit));
            assert!(unseen.speaks_against(limit));
        }
        assert!(!Evidence::default().speaks_against(Limit::Processes));
        assert!(!unseen.speaks_against(Limit::Disk));
    }
}
