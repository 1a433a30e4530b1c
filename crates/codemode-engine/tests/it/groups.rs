//! Control groups are used again. No execution is to see, or to pay for, what another one did in its group.
//!
//! They also say who gets how much of the processors.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use codemode_types::Outcome;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    harness::{Ran, echo, engine, engine_of, finish, is_root, request, run},
    processes::Named,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// More than there are groups, so that each is used again.
const MANY: usize = 25;

/// What may be charged to a group that nobody is in, and what differs between two runs of the same code.
const SLACK: u64 = 3 << 20;

const SMALL: &str = "2 + 2";
const MEMORY: &str = "x = bytearray(120 << 20)\nlen(x)";
const FILES: &str = "open('/tmp/large', 'wb').write(b'x' * (60 << 20))";
const CPU: &str = "import time\nwhile time.process_time() < 0.4: pass";
const PROCESSES: &str = "import os, time\nfor _ in range(10):\n    if os.fork() == 0: time.sleep(60)";
const OUT_OF_MEMORY: &str = "x = bytearray(1 << 30)";
const TOO_MANY_PROCESSES: &str = "import os, time\nfor _ in range(100):\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except OSError: pass";

/// Folders of this process's groups, of all controllers.
fn folders() -> Vec<PathBuf> {
    let own = format!("codemode-{}-", std::process::id());
    below(Path::new("/sys/fs/cgroup"), &own)
}

fn below(folder: &Path, own: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let (ours, others): (Vec<_>, Vec<_>) = folders
        .map(|entry| entry.path())
        .partition(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(own)));
    let within: Vec<_> = ours.iter().chain(&others).flat_map(|path| below(path, own)).collect();
    [ours, within].concat()
}

/// Groups that get less of the processors than others.
fn giving_way() -> Vec<PathBuf> {
    let less = |group: &PathBuf| {
        number(&group.join("cpu.shares")).is_some_and(|share| share < 1024)
            || number(&group.join("cpu.weight")).is_some_and(|weight| weight < 100)
    };
    folders().into_iter().filter(less).collect()
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let asked = Instant::now();
    while !condition() {
        assert!(asked.elapsed() < PATIENCE, "{what}: {:?}", folders());
        tokio::task::yield_now().await;
    }
}

fn listed(ran: &Ran) -> Vec<&str> {
    ran.report.violations.iter().map(|violation| violation.kind.as_str()).collect()
}

#[tokio::test]
async fn what_one_execution_did_is_on_no_others_bill() {
    if !is_root() {
        return; // no control groups
    }
    let limits = json!({"memory_limit": "256m", "processes": 20});
    let engine = engine(json!({"limits": limits, "pool": {"min": 1, "max": 1}, "max_concurrent_executions": 2})).await;
    let mut usual = 0;
    for _ in 0..MANY {
        usual = run(&engine, SMALL).await.report.usage.peak_memory_bytes.max(usual);
    }
    assert!(usual < 60 << 20, "{usual}");
    let cases = [
        (MEMORY, Outcome::Ok, vec![]),
        (FILES, Outcome::Ok, vec![]),
        (CPU, Outcome::Ok, vec![]),
        (PROCESSES, Outcome::Ok, vec![]),
        (OUT_OF_MEMORY, Outcome::MemoryLimit, vec!["memory_limit"]),
        (TOO_MANY_PROCESSES, Outcome::Ok, vec!["process_limit"]),
    ];
    for (code, outcome, violations) in cases {
        let ran = run(&engine, code).await;
        assert_eq!((ran.outcome(), listed(&ran)), (outcome, violations), "{code}\n{ran:#?}");
        for _ in 0..MANY {
            let ran = run(&engine, SMALL).await;
            assert_eq!((ran.result().as_str(), listed(&ran)), ("4", vec![]), "after {code}\n{ran:#?}");
            let usage = ran.report.usage;
            assert!(usage.peak_memory_bytes <= usual + SLACK, "after {code}: {usage:?}, usually {usual}");
            assert!(usage.cpu < Duration::from_millis(300), "after {code}: {usage:?}");
        }
    }
}

#[tokio::test]
async fn the_limits_hold_in_a_group_that_was_used_before() {
    if !is_root() {
        return; // no control groups
    }
    let limits = json!({"memory_limit": "256m", "processes": 20});
    let engine = engine(json!({"limits": limits, "pool": {"min": 1, "max": 1}, "max_concurrent_executions": 2})).await;
    for _ in 0..MANY {
        assert_eq!(run(&engine, MEMORY).await.outcome(), Outcome::Ok);
    }
    for _ in 0..3 {
        let ran = run(&engine, OUT_OF_MEMORY).await;
        assert_eq!((ran.outcome(), listed(&ran)), (Outcome::MemoryLimit, vec!["memory_limit"]), "{ran:#?}");
        let ran = run(&engine, TOO_MANY_PROCESSES).await;
        assert_eq!(listed(&ran), ["process_limit"], "{ran:#?}");
    }
}

#[tokio::test]
async fn there_are_never_more_groups_and_none_when_the_engine_ends() {
    let engine = engine(json!({"pool": {"min": 1, "max": 1}})).await;
    let start = folders().len();
    for _ in 0..MANY {
        run(&engine, SMALL).await;
    }
    let running: Vec<_> = (0..8).map(|_| engine.execute(request(&engine, SMALL)).unwrap()).collect();
    for execution in running {
        assert_eq!(finish(execution, echo).await.result(), "4");
    }
    until("no more than at the start", || folders().len() <= start).await;
    engine.drain(Duration::from_secs(10)).await;
    until("none is left", || folders().is_empty()).await;
}

/// The zygote is stopped, and so the sandbox that is being made for nobody stays in the making.
#[tokio::test]
async fn a_sandbox_in_the_making_gives_way_until_it_is_wanted() {
    if !is_root() {
        return; // no control groups
    }
    let named = Named::new();
    let policy = json!({"pool": {"min": 1, "max": 1}, "max_concurrent_executions": 2});
    let engine = engine_of(policy, named.path()).await;
    until("parked", || giving_way().is_empty()).await;
    let stopped = Stopped::new(named.zygotes()[0]);
    let first = engine.execute(request(&engine, SMALL)).unwrap();
    until("a spare one is being made", || !giving_way().is_empty()).await;
    let spare = &giving_way()[0];
    let second = engine.execute(request(&engine, SMALL)).unwrap();
    until("it is wanted", || !giving_way().contains(spare)).await;
    drop(stopped);
    for execution in [first, second] {
        assert_eq!(finish(execution, echo).await.result(), "4");
    }
}

/// A process that goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: i32) -> Self {
        let pid = Pid::from_raw(pid).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}
