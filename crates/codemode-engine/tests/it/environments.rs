//! Other interpreters and preloads: one zygote each, started when it is first asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use codemode_engine::Engine;
use codemode_types::{ErrorCode, Outcome};
use serde_json::{Value, json};

use crate::{
    harness::{await_word, echo, engine_of, finish, interpreter, request, run, run_within},
    processes::{Named, status_field, zygotes_of},
};

const COLORSYS: &str = "import sys\n'colorsys' in sys.modules";

/// Some with a module that is not imported otherwise.
fn colours(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "preload": ["colorsys"]})).collect()
}

fn kibibytes(zygote: i32) -> i64 {
    status_field(Path::new(&format!("/proc/{zygote}")), "RssAnon").unwrap()
}

/// The one of `all` that is not among `known`.
fn newest(all: &[i32], known: &[i32]) -> i32 {
    *all.iter().find(|pid| !known.contains(pid)).unwrap()
}

#[tokio::test]
async fn one_is_started_when_it_is_first_asked_for_and_stays() {
    let named = Named::new();
    let engine = engine_of(json!({"guest": {"environments": colours(&["colours"])}}), named.path()).await;
    assert_eq!(named.zygotes().len(), 1);
    assert_eq!(run(&engine, COLORSYS).await.result(), "false");
    assert_eq!(named.zygotes().len(), 1);
    assert_eq!(run_within(&engine, "colours", COLORSYS).await.result(), "true");
    let zygotes = named.zygotes();
    assert_eq!(zygotes.len(), 2);
    assert_eq!(run_within(&engine, "colours", COLORSYS).await.result(), "true");
    assert_eq!(run(&engine, COLORSYS).await.result(), "false");
    assert_eq!(named.zygotes(), zygotes);
    engine.drain(Duration::ZERO).await;
    assert_eq!(named.zygotes(), [0; 0]);
}

#[tokio::test]
async fn many_at_once_start_it_once() {
    let named = Named::new();
    let policy = json!({"max_concurrent_executions": 4, "guest": {"environments": colours(&["colours"])}});
    let engine = engine_of(policy, named.path()).await;
    let ran = tokio::join!(
        run_within(&engine, "colours", COLORSYS),
        run_within(&engine, "colours", COLORSYS),
        run_within(&engine, "colours", COLORSYS),
        run(&engine, COLORSYS),
    );
    assert_eq!([ran.0, ran.1, ran.2].map(|ran| ran.result()), ["true"; 3]);
    assert_eq!(ran.3.result(), "false");
    assert_eq!(named.zygotes().len(), 2);
}

/// `a`, which is used while `b` is started, is left alone; then `a`, which was used first, goes.
#[tokio::test]
async fn those_unused_for_the_longest_end_where_memory_is_short() {
    let named = Named::new();
    let policy = |memory: i64| {
        json!({
            "max_concurrent_executions": 3,
            "guest": {"environments": colours(&["a", "b"])},
            "pool": {"environments_memory": memory},
        })
    };
    let engine = engine_of(policy(1 << 40), named.path()).await;
    let own = named.zygotes();
    run_within(&engine, "a", "1").await.result();
    let each = kibibytes(newest(&named.zygotes(), &own)) * 1024;
    run_within(&engine, "b", "1").await.result();
    assert_eq!(named.zygotes().len(), 3, "memory for both");
    engine.drain(Duration::ZERO).await;

    let engine = engine_of(policy(each + each / 2), named.path()).await;
    let own = named.zygotes();
    let mut busy = request(&engine, "print('here', flush=True)\ntools['echo'].run()\n'done'");
    busy.environment = Some("a".into());
    let mut busy = engine.execute(busy).unwrap();
    await_word(&mut busy, "here\n").await;
    let with_a = named.zygotes();
    run_within(&engine, "b", "1").await.result();
    // `b` was over when memory was looked at, and `a` was not.
    named.await_zygotes(&with_a).await;
    assert_eq!(finish(busy, echo).await.result(), "\"done\"");
    let a = newest(&with_a, &own);
    run_within(&engine, "b", "1").await.result();
    while named.zygotes().contains(&a) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(named.zygotes().len(), 2, "`b` is there for the next one");
    assert_eq!(run_within(&engine, "a", COLORSYS).await.result(), "true", "started again");
}

#[tokio::test]
async fn an_unknown_one_is_refused_with_those_that_there_are() {
    async fn refused(engine: &Engine) -> String {
        let mut asked = request(engine, "1");
        asked.environment = Some("colors".into());
        let refused = engine.execute(asked).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Policy);
        refused.message
    }

    let engine = engine_of(json!({}), interpreter()).await;
    let said = "there is no environment `colors`; this executor has none (guest.environments); nothing ran";
    assert_eq!(refused(&engine).await, said);
    let engine = engine_of(json!({"guest": {"environments": colours(&["colours", "more"])}}), interpreter()).await;
    let said = "there is no environment `colors`; this executor has: colours, more (guest.environments); nothing ran";
    assert_eq!(refused(&engine).await, said);
}

#[tokio::test]
async fn one_that_does_not_start_says_why_and_leaves_the_others_alone() {
    let environments = json!([{"name": "broken", "preload": ["no_such_module"]}, {"name": "sound"}]);
    let named = Named::new();
    let engine = engine_of(json!({"guest": {"environments": environments}}), named.path()).await;
    for _ in 0..2 {
        let ran = run_within(&engine, "broken", "1").await;
        assert_eq!(ran.outcome(), Outcome::Interrupted, "{ran:#?}");
        let said = ran.message();
        assert!(said.contains("the environment `broken` does not start") && said.contains("no_such_module"), "{said}");
    }
    assert_eq!(run_within(&engine, "sound", "2 + 2").await.result(), "4");
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
    assert_eq!(named.zygotes().len(), 2);
}

/// An environment of packages, with one module.
fn environment_with(folder: &Path, module: &str, text: &str) -> PathBuf {
    let made = Command::new(interpreter()).args(["-m", "venv", "--without-pip"]).arg(folder).status().unwrap();
    assert!(made.success());
    fs::write(module_file(folder, module), text).unwrap();
    folder.join("bin/python")
}

fn module_file(folder: &Path, module: &str) -> PathBuf {
    let version = fs::read_dir(folder.join("lib")).unwrap().next().unwrap().unwrap().path();
    version.join("site-packages").join(format!("{module}.py"))
}

#[tokio::test]
async fn each_has_the_packages_of_its_interpreter() {
    let folder = tempfile::tempdir().unwrap();
    let interpreter = environment_with(folder.path(), "only_there", "WORD = 'here'");
    let environments = json!([{"name": "other", "interpreter": interpreter, "preload": ["only_there"]}]);
    let engine = engine_of(json!({"guest": {"environments": environments}}), crate::harness::interpreter()).await;
    let code = "import only_there, sys\n[only_there.WORD, sys.prefix]";
    let ran = run_within(&engine, "other", code).await;
    assert_eq!(ran.result(), json!(["here", folder.path()]).to_string());
    assert_eq!(run(&engine, code).await.report.failure.unwrap().error_type, "ModuleNotFoundError");
    let info = engine.info();
    assert_eq!((info.environments.len(), info.environments[0].name.as_str()), (1, "other"));
    assert_eq!(info.environments[0].python, info.python);
}

#[tokio::test]
async fn who_leaves_does_not_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let slow = "import os, time\nwhile not os.path.exists(__file__ + '.go'): time.sleep(0.01)";
    let interpreter = environment_with(folder.path(), "slow", slow);
    let environments = json!([{"name": "slow", "interpreter": interpreter, "preload": ["slow"]}]);
    let engine = engine_of(json!({"guest": {"environments": environments}}), crate::harness::interpreter()).await;
    let mut gone = request(&engine, "1");
    gone.environment = Some("slow".into());
    let execution = engine.execute(gone).unwrap();
    while zygotes_of(&interpreter).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let zygotes = zygotes_of(&interpreter);
    execution.cancel();
    assert_eq!(finish(execution, echo).await.outcome(), Outcome::Cancelled);
    fs::write(module_file(folder.path(), "slow").with_extension("py.go"), "").unwrap();
    assert_eq!(run_within(&engine, "slow", "2 + 2").await.result(), "4");
    assert_eq!(zygotes_of(&interpreter), zygotes, "the one that was being started");
}

/// Without ctypes the attacks cannot be run, and so nothing else may.
#[tokio::test]
async fn nothing_runs_in_one_that_the_self_test_did_not_attack() {
    let folder = tempfile::tempdir().unwrap();
    let interpreter = environment_with(folder.path(), "sabotage", "import sys\nsys.modules['ctypes'] = None");
    let environments = json!([{"name": "untested", "interpreter": interpreter, "preload": ["sabotage"]}]);
    let engine = engine_of(json!({"guest": {"environments": environments}}), crate::harness::interpreter()).await;
    let ran = run_within(&engine, "untested", "print('ran')").await;
    assert_eq!((ran.outcome(), ran.stdout.as_str()), (Outcome::Interrupted, ""), "{ran:#?}");
    assert!(ran.message().contains("self-test could not be run"), "{}", ran.message());
}

/// The first one there waits for its start with the only place, and the self-test needs none.
#[tokio::test]
async fn its_start_needs_no_place_of_its_own() {
    let policy = json!({"max_concurrent_executions": 1, "queue": 0, "guest": {"environments": colours(&["colours"])}});
    let engine = engine_of(policy, interpreter()).await;
    assert_eq!(run_within(&engine, "colours", COLORSYS).await.result(), "true");
}

#[tokio::test]
async fn a_fresh_interpreter_is_one_of_the_environment() {
    let policy = json!({"isolation": {"fresh_interpreter": true}, "guest": {"environments": colours(&["colours"])}});
    let engine = engine_of(policy, interpreter()).await;
    assert_eq!(run_within(&engine, "colours", COLORSYS).await.result(), "true");
    assert_eq!(run(&engine, COLORSYS).await.result(), "false");
}
