//! The code's own process, as the kernel shows it to the daemon.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    time::Duration,
};

use crate::fine_timer::FineTimer;

/// In the kernel's `task_struct.flags`, which /proc shows as the ninth word of `stat`. Set when a process begins to end;
/// from then on it runs kernel code only.
const PF_EXITING: u64 = 0x4;

/// There as well. Cleared by a start of another program, which may be made by any thread: it then takes the number of the
/// first one over, and what was said of that one would not hold for it.
const PF_FORKNOEXEC: u64 = 0x40;

const LEAVING: u64 = PF_EXITING | PF_FORKNOEXEC;

/// Behind the name, which may contain anything, words are counted from the third.
const FLAGS: usize = 9 - 3;

/// How long to wait between one look and the next. Who said that it is done needs a few microseconds more to begin its
/// end, and may need this processor for them: the kernel likes to run who is woken where it was woken.
const PAUSES_MICROS: [u64; 5] = [10, 20, 40, 80, 160];

/// A file that was opened while the sandbox was parked: another process that is given the same number is not behind it.
#[derive(Debug)]
pub(crate) struct CodeProcess {
    stat: File,
    timer: FineTimer,
}

impl CodeProcess {
    /// The only child that a cell's init has while its code waits.
    pub(crate) fn below(init: i32) -> Option<Self> {
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
        let mut children = children.split_ascii_whitespace();
        let (child, None) = (children.next()?, children.next()) else { return None };
        Self::open(&format!("/proc/{child}/stat")).ok()
    }

    fn open(stat: &str) -> io::Result<Self> {
        Ok(Self { stat: File::open(stat)?, timer: FineTimer::new()? })
    }

    /// Whether it is past its last own instruction soon, and nobody is left then whom it started. `others`: whether the
    /// kernel counts anybody besides it.
    pub(crate) async fn leaves_nobody(&self, others: impl Fn() -> bool) -> bool {
        // In this order. Who is leaving starts nobody any more; and if it is still there after the count, it was among
        // those who were counted, and not already replaced in that number by somebody it left behind.
        let has_left = || self.is_leaving() && !others() && self.is_leaving();
        for pause in PAUSES_MICROS.map(Duration::from_micros) {
            if has_left() {
                return true;
            }
            if self.timer.pass(pause).await.is_err() {
                return false;
            }
        }
        has_left()
    }

    /// Whether its first thread will never run its own code again, was not waited for, and is the one that was forked
    /// for the code. Of other threads this says nothing.
    fn is_leaving(&self) -> bool {
        let mut text = [0; 1024];
        let Ok(length) = self.stat.read_at(&mut text, 0) else { return false };
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

    #[tokio::test]
    async fn who_runs_is_not_leaving_and_a_fork_that_has_ended_is() {
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
        let own = CodeProcess::open("/proc/self/stat").unwrap();
        assert!(!own.is_leaving());
        assert!(process.leaves_nobody(|| false).await);
        assert!(!process.leaves_nobody(|| true).await && !own.leaves_nobody(|| false).await);
        parent.kill().unwrap();
        parent.wait().unwrap();
    }

    #[tokio::test]
    async fn who_started_another_program_is_never_leaving() {
        let child = Command::new("true").spawn().unwrap();
        let process = CodeProcess::open(&format!("/proc/{}/stat", child.id())).unwrap();
        waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert!(!process.is_leaving());
        let mut child = child;
        child.wait().unwrap();
    }
}
