//! Control groups are used again. No execution is to see, or to pay for, what another one did in its group.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use codemode_types::Outcome;
use serde_json::json;

use crate::harness::{Ran, echo, engine, finish, is_root, request, run};

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
fn folders() -> usize {
    let own = format!("codemode-{}-", std::process::id());
    below(Path::new("/sys/fs/cgroup"), &own)
}

fn below(folder: &Path, own: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .map(|entry| usize::from(entry.file_name().to_string_lossy().starts_with(own)) + below(&entry.path(), own))
        .sum()
}

async fn until_there_are_at_most(count: usize) -> Result<(), usize> {
    let asked = Instant::now();
    while folders() > count {
        if asked.elapsed() > PATIENCE {
            return Err(folders());
        }
        tokio::task::yield_now().await;
    }
    Ok(())
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
    let start = folders();
    for _ in 0..MANY {
        run(&engine, SMALL).await;
    }
    let running: Vec<_> = (0..8).map(|_| engine.execute(request(&engine, SMALL)).unwrap()).collect();
    for execution in running {
        assert_eq!(finish(execution, echo).await.result(), "4");
    }
    until_there_are_at_most(start).await.unwrap_or_else(|left| panic!("{start} folders at the start, {left} now"));
    engine.drain(Duration::from_secs(10)).await;
    until_there_are_at_most(0).await.unwrap_or_else(|left| panic!("{left} folders are left"));
}
