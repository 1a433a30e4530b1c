//! The code's own process, as the kernel shows it to the daemon.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

/// In the kernel's `task_struct.flags`, which /proc shows as the ninth word of `stat`. Set when a process begins to end;
/// from then on it runs kernel code only.
const PF_EXITING: u64 = 0x4;

/// There as well. Cleared by a start of another program, which may be made by any thread: it then takes the number of the
/// first one over, and what was said of that one would not hold for it.
const PF_FORKNOEXEC: u64 = 0x40;

const LEAVING: u64 = PF_EXITING | PF_FORKNOEXEC;

/// Behind the name, which may contain anything, words are counted from the third.
const FLAGS: usize = 9 - 3;

/// Open while the sandbox is parked: another process that is given the same number is not behind this file.
#[derive(Debug)]
pub(crate) struct CodeProcess(File);

impl CodeProcess {
    /// The only child that a cell's init has while its code waits.
    pub(crate) fn below(init: i32) -> Option<Self> {
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
        let mut children = children.split_ascii_whitespace();
        let (child, None) = (children.next()?, children.next()) else { return None };
        File::open(format!("/proc/{child}/stat")).ok().map(Self)
    }

    /// Whether its first thread will never run its own code again, was not waited for, and is the one that was forked
    /// for the code. Of other threads this says nothing.
    pub(crate) fn is_leaving(&self) -> bool {
        let mut text = [0; 1024];
        let Ok(length) = self.0.read_at(&mut text, 0) else { return false };
        flags(&text[..length]).is_some_and(|flags| flags & LEAVING == LEAVING)
    }
}

fn flags(stat: &[u8]) -> Option<u64> {
    let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let words = std::str::from_utf8(&stat[behind_name..]).ok()?;
    words.split_ascii_whitespace().nth(FLAGS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn flags_stand_behind_a_name_that_looks_like_more_of_the_line() {
        let line = b"7 (a) R 1 2 3 4 5 4 6 7) S 1 7 7 0 -1 4194308 99 0 0";
        assert_eq!(flags(line), Some(4_194_308));
        assert_eq!(flags(b"7 (cut"), None);
        assert_eq!(flags(b"7 (cut) S 1 7"), None);
    }

    #[test]
    fn who_runs_is_not_leaving_and_a_fork_that_has_ended_is() {
        // The shell becomes a program that never waits for what it forked.
        let mut parent =
            Command::new("sh").args(["-c", "(read line) & exec sleep 60"]).stdin(Stdio::null()).spawn().unwrap();
        let process = loop {
            match CodeProcess::below(i32::try_from(parent.id()).unwrap()) {
                Some(process) => break process,
                None => std::thread::yield_now(),
            }
        };
        while !process.is_leaving() {
            std::thread::yield_now();
        }
        let own = CodeProcess(File::open("/proc/self/stat").unwrap());
        assert!(!own.is_leaving());
        parent.kill().unwrap();
        parent.wait().unwrap();
    }

    #[test]
    fn who_started_another_program_is_never_leaving() {
        let child = Command::new("true").spawn().unwrap();
        let process = CodeProcess(File::open(format!("/proc/{}/stat", child.id())).unwrap());
        waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert!(!process.is_leaving());
        let mut child = child;
        child.wait().unwrap();
    }
}
