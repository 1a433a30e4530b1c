use codemode_engine::ExecutionRequest;
use codemode_types::{LimitOverrides, Outcome};
use serde_json::json;

use crate::harness::{await_word, echo, engine, finish, request, run};

fn end(outcome: Outcome, error_type: &str, exit_code: i32) -> (Outcome, String, i32) {
    (outcome, error_type.to_owned(), exit_code)
}

#[tokio::test]
async fn every_way_out_has_its_outcome() {
    let engine = engine(json!({})).await;
    let cases = [
        ("print('so far')\n1 / 0", end(Outcome::Error, "ZeroDivisionError", 1)),
        ("print('so far')\nimport sys; sys.exit(3)", end(Outcome::Error, "SystemExit", 3)),
        ("print('so far', flush=True)\nimport os; os._exit(3)", end(Outcome::Error, "SystemExit", 3)),
        ("print('so far', flush=True)\nimport os; os._exit(0)", end(Outcome::Error, "SystemExit", 1)),
        ("print('so far', flush=True)\nimport os; os._exit(256)", end(Outcome::Error, "SystemExit", 1)),
        // As in CPython: the low eight bits count, so that 256 is a success and -1 is 255.
        ("print('so far')\nimport sys; sys.exit(256)", end(Outcome::Ok, "", 0)),
        ("print('so far')\nimport sys; sys.exit(0)", end(Outcome::Ok, "", 0)),
        ("print('so far')\nimport sys; sys.exit(259)", end(Outcome::Error, "SystemExit", 3)),
        ("print('so far')\nimport sys; sys.exit(-1)", end(Outcome::Error, "SystemExit", 255)),
        ("print('so far')\nimport sys; sys.exit(2**80)", end(Outcome::Error, "SystemExit", 255)),
        ("print('so far', flush=True)\nimport os; os.kill(os.getpid(), 11)", end(Outcome::Crashed, "Crashed", 139)),
        ("print('so far', flush=True)\nimport os; os.kill(os.getpid(), 9)", end(Outcome::Killed, "Killed", 137)),
    ];
    for (code, expected) in cases {
        let ran = run(&engine, code).await;
        assert_eq!((ran.end(), ran.stdout.as_str()), (expected, "so far\n"), "{code}\n{ran:#?}");
        assert_eq!(ran.outcome() == Outcome::Ok, ran.report.exit_code == 0, "{code}");
    }
    let ran = run(&engine, "print('no')\n1 +").await;
    assert_eq!((ran.end(), ran.stdout.as_str()), (end(Outcome::Error, "SyntaxError", 1), ""));
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
}

#[tokio::test]
async fn a_timeout_keeps_what_was_printed_and_names_the_limit() {
    let engine = engine(json!({"limits": {"code_timeout": 0.4}})).await;
    for code in [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal\nsignal.pthread_sigmask(0, range(1, 65))\nsignal.pause()",
    ] {
        let ran = run(&engine, &format!("print('before', flush=True)\n{code}")).await;
        assert_eq!(ran.end(), end(Outcome::Timeout, "Timeout", 124), "{code}\n{ran:#?}");
        assert_eq!(ran.stdout, "before\n", "{code}");
        assert!(ran.message().contains("limits.code_timeout"), "{}", ran.message());
        assert!(ran.message().contains("execution_timeout in Python, --timeout on the command line"));
    }
}

#[tokio::test]
async fn a_shorter_timeout_is_asked_for_and_a_longer_one_clamped() {
    let engine = engine(json!({"limits": {"code_timeout": 5}})).await;
    let ask = |seconds: f64, code: &str| {
        let code_timeout = Some(std::time::Duration::from_secs_f64(seconds));
        let overrides = LimitOverrides { code_timeout, ..LimitOverrides::default() };
        engine.execute(ExecutionRequest { overrides, ..request(&engine, code) }).unwrap()
    };
    let ran = finish(ask(0.2, "import time; time.sleep(60)"), echo).await;
    assert_eq!(ran.outcome(), Outcome::Timeout);
    assert!(ran.message().contains("this executor allows up to 5 s"), "{}", ran.message());
    let overrides = LimitOverrides { max_code_length: Some(50_001), ..LimitOverrides::default() };
    let execution = engine.execute(ExecutionRequest { overrides, ..request(&engine, "1") }).unwrap();
    assert_eq!(
        finish(execution, echo).await.report.warnings,
        ["max_code_length: 50001 characters are more than this executor allows; 50000 hold"]
    );
    let execution = ask(6.0, "1");
    assert_eq!(execution.warnings, ["code_timeout: 6 s is more than this executor allows; 5 s holds"]);
    let ran = finish(execution, echo).await;
    assert_eq!(ran.report.warnings.len(), 1);
    assert_eq!(ran.result(), "1");
}

#[tokio::test]
async fn a_pending_tool_call_stops_the_codes_clock_but_not_the_total() {
    let engine = engine(json!({"limits": {"code_timeout": 0.3, "total_timeout": 1}})).await;
    let ran = finish(engine.execute(request(&engine, "tools['echo'].run()")).unwrap(), |_, _| None).await;
    assert_eq!(ran.outcome(), Outcome::Timeout);
    assert!(ran.message().contains("limits.total_timeout"), "{}", ran.message());
    assert_eq!(ran.abandoned.len(), 1);
    assert!(ran.report.usage.tool > ran.report.usage.guest);
}

#[tokio::test]
async fn a_pending_tool_call_does_not_shelter_a_spinning_thread() {
    let engine = engine(json!({"limits": {"code_timeout": 0.5}})).await;
    let code = "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()\ntools['echo'].run()";
    let ran = finish(engine.execute(request(&engine, code)).unwrap(), |_, _| None).await;
    assert_eq!(ran.end(), end(Outcome::CpuLimit, "CpuLimitExceeded", 152), "{ran:#?}");
}

#[tokio::test]
async fn memory_over_the_limit_has_its_own_outcome_and_harms_nobody() {
    let engine = engine(json!({"limits": {"memory_limit": "128m"}, "max_concurrent_executions": 2})).await;
    let mut other =
        engine.execute(request(&engine, "print('here', flush=True)\ntools['echo'].run()\n'unharmed'")).unwrap();
    await_word(&mut other, "here\n").await;
    let ran = run(&engine, "x = []\nwhile True: x.append(b'x' * (1 << 20))").await;
    assert_eq!(ran.end(), end(Outcome::MemoryLimit, "MemoryLimitExceeded", 137), "{ran:#?}");
    assert!(ran.message().contains("128 MiB"), "{}", ran.message());
    assert_eq!(finish(other, echo).await.result(), "\"unharmed\"");
}

#[tokio::test]
async fn a_child_over_the_memory_limit_ends_the_execution() {
    let engine = engine(json!({"limits": {"memory_limit": "128m"}})).await;
    let code = "import os\nif os.fork() == 0:\n    x = []\n    while True: x.append(b'x' * (1 << 20))\nos.wait()\nwhile True: pass";
    assert_eq!(run(&engine, code).await.outcome(), Outcome::MemoryLimit);
}

#[tokio::test]
async fn a_result_over_the_limit_is_named() {
    let engine = engine(json!({"limits": {"result_bytes": 4096}})).await;
    let ran = run(&engine, "'x' * 5000").await;
    assert_eq!(ran.end(), end(Outcome::ResultTooLarge, "ResultTooLarge", 137));
    assert!(ran.message().contains("4 KiB"), "{}", ran.message());
}

#[tokio::test]
async fn a_limit_that_the_code_survives_is_a_violation() {
    let engine = engine(json!({"limits": {"processes": 8}})).await;
    let code = "import os, time\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\nexcept BlockingIOError:\n    result = 'survived'";
    let ran = run(&engine, code).await;
    assert_eq!(ran.result(), "\"survived\"");
    if crate::harness::is_root() {
        assert!(ran.report.violations.iter().any(|violation| violation.kind == "process_limit"), "{ran:#?}");
    }
}

#[tokio::test]
async fn a_cancelled_execution_still_reports() {
    let engine = engine(json!({})).await;
    let mut execution = engine.execute(request(&engine, "print('here', flush=True)\nwhile True: pass")).unwrap();
    await_word(&mut execution, "here\n").await;
    execution.cancel();
    let ran = finish(execution, echo).await;
    assert_eq!(ran.end(), end(Outcome::Cancelled, "Cancelled", 143));
}
