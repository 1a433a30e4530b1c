//! Whose death ends what.

use codemode_types::Outcome;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    harness::{await_word, echo, engine, engine_of, finish, interpreter, is_root, narrowed, request, run},
    processes::{processes, status_field, zygotes_of},
};

fn of_user(uid: i64) -> Vec<i32> {
    processes(|process| status_field(process, "Uid") == Some(uid))
}

#[tokio::test]
async fn nothing_of_an_execution_is_left_when_its_report_is_there() {
    if !is_root() {
        return; // its processes cannot be told apart by their user there
    }
    let engine = engine(json!({"limits": {"code_timeout": 0.4, "cpus": 4}})).await;
    let code = "import os, signal, time\nprint(os.getuid(), flush=True)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: time.sleep(1)\n    os._exit(0)\nwhile True: time.sleep(1)";
    let ran = run(&engine, code).await;
    assert_eq!(ran.outcome(), Outcome::Timeout, "{ran:#?}");
    assert_eq!(of_user(ran.stdout.trim().parse().unwrap()), [0; 0]);
}

#[tokio::test]
async fn a_zygote_that_dies_is_replaced_and_its_executions_say_so() {
    // A name of its own tells this engine's zygote from those of the tests beside it.
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("python3");
    std::os::unix::fs::symlink(interpreter(), &name).unwrap();
    let engine = engine_of(json!({}), name.clone()).await;
    let mut running = engine.execute(request(&engine, "print('here', flush=True)\nwhile True: pass")).unwrap();
    await_word(&mut running, "here\n").await;
    let zygotes = zygotes_of(&name);
    assert_eq!(zygotes.len(), 1);
    kill_process(Pid::from_raw(zygotes[0]).unwrap(), Signal::KILL).unwrap();
    assert_eq!(finish(running, echo).await.outcome(), Outcome::Interrupted);
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
}

#[tokio::test]
async fn a_drained_engine_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("python3");
    std::os::unix::fs::symlink(interpreter(), &name).unwrap();
    let engine = engine_of(json!({"pool": {"min": 2}}), name.clone()).await;
    run(&engine, "1").await;
    engine.drain(std::time::Duration::from_secs(10)).await;
    let left = processes(|process| {
        std::fs::read(process.join("cmdline")).unwrap_or_default().starts_with(name.as_os_str().as_encoded_bytes())
    });
    assert_eq!(left, [0; 0]);
}

#[tokio::test]
async fn an_interpreter_of_its_own_is_started_for_each_execution_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("python3");
    std::os::unix::fs::symlink(interpreter(), &name).unwrap();
    let zygotes = || zygotes_of(&name);
    let fresh = json!({"isolation": {"fresh_interpreter": true}});
    let engine = engine_of(json!({"pool": {"min": 1, "max": 1}}), name.clone()).await;
    let seed = "hash('of the seed')";
    assert_eq!(run(&engine, seed).await.result(), run(&engine, seed).await.result(), "forks of one share its seed");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let execution = engine.execute(narrowed(&engine, seed, fresh.clone())).unwrap();
        assert!(seen.insert(finish(execution, echo).await.result()), "a seed was there before");
    }
    while zygotes().len() > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut running = engine.execute(narrowed(&engine, "print('here', flush=True)\nwhile True: pass", fresh)).unwrap();
    await_word(&mut running, "here\n").await;
    assert_eq!(zygotes().len(), 2);
    engine.drain(std::time::Duration::ZERO).await;
    assert_eq!(zygotes(), [0; 0]);
}
