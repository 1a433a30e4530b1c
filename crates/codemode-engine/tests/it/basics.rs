use codemode_types::{Outcome, Tier};
use serde_json::json;

use crate::harness::{echo, engine, finish, is_root, narrowed, run};

#[tokio::test]
async fn code_runs_and_its_value_comes_back() {
    let engine = engine(json!({})).await;
    assert_eq!(run(&engine, "2 + 2").await.result(), "4");
    let ran = run(&engine, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nresult = [1, 'two']").await;
    assert_eq!((ran.result().as_str(), ran.stdout.as_str(), ran.stderr.as_str()), ("[1,\"two\"]", "out\n", "err\n"));
    assert!(!ran.report.stdout_truncated && ran.report.warnings.is_empty(), "{ran:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_run_at_once_on_a_multi_threaded_runtime() {
    let engine = engine(json!({"max_concurrent_executions": 4})).await;
    let runs: Vec<_> = (0..16)
        .map(|number| {
            let engine = engine.clone();
            tokio::spawn(async move { run(&engine, &format!("tools['echo'].run(n={number})['n']")).await.result() })
        })
        .collect();
    for (number, run) in runs.into_iter().enumerate() {
        assert_eq!(run.await.unwrap(), number.to_string());
    }
    engine.drain(std::time::Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_the_engine_says_of_itself_was_verified() {
    let engine = engine(json!({})).await;
    let info = engine.info();
    assert_eq!(info.isolation.tier, Tier::Full);
    assert!(info.isolation.layers.iter().any(|layer| layer.contains("seccomp")), "{info:?}");
    let cgroups: Vec<_> = info.isolation.layers.iter().filter(|layer| layer.starts_with("cgroup")).collect();
    let substitutes = info.isolation.substitutes.iter().filter(|layer| layer.starts_with("cgroup")).count();
    assert_eq!(cgroups.len() + substitutes, 1, "named once: {info:?}");
    let versions = ["cgroup v1 (memory, pids, cpu)", "cgroup v2 (memory, pids, cpu)"];
    assert!(cgroups.iter().all(|layer| versions.contains(&layer.as_str())), "{cgroups:?}");
    assert!(info.python.starts_with("3."), "{}", info.python);
    let ran = run(&engine, "import platform\nplatform.python_version()").await;
    assert_eq!(ran.result(), format!("\"{}\"", info.python));
    assert_eq!(ran.report.isolation.layers, info.isolation.layers);
}

#[tokio::test]
async fn nothing_of_one_execution_is_there_in_the_next() {
    let engine = engine(json!({})).await;
    assert_eq!(run(&engine, "x = 1\nopen('/sandbox/f', 'w').write('x')").await.outcome(), Outcome::Ok);
    assert_eq!(run(&engine, "import os\n['x' in globals(), os.listdir('/sandbox')]").await.result(), "[false,[]]");
}

#[tokio::test]
async fn two_that_live_at_the_same_time_have_different_users() {
    if !is_root() {
        return; // there, the pid namespace is what is unique
    }
    let engine = engine(json!({"max_concurrent_executions": 2})).await;
    let code = "import os\ntools['echo'].run()\nos.getuid()";
    let [first, second] = [(); 2].map(|()| engine.execute(crate::harness::request(&engine, code)).unwrap());
    let (first, second) = tokio::join!(finish(first, echo), finish(second, echo));
    assert_ne!(first.result(), second.result());
    assert!(first.result().parse::<u32>().unwrap() >= 2_000_000_000);
}

#[tokio::test]
async fn a_narrower_policy_gets_a_sandbox_of_its_own() {
    let engine = engine(json!({"execution": {"allowed_commands": ["cat"]}})).await;
    let code = "import resource\nresource.getrlimit(resource.RLIMIT_NOFILE)[0]";
    let narrower = narrowed(&engine, code, json!({"limits": {"open_files": 64}}));
    assert_eq!(finish(engine.execute(narrower).unwrap(), echo).await.result(), "64");
    assert_eq!(run(&engine, code).await.result(), "256");
}

#[tokio::test]
async fn usage_is_accounted() {
    let engine = engine(json!({})).await;
    let ran = run(&engine, "x = bytearray(64 << 20)\nsum(range(2_000_000))\ntools['echo'].run()").await;
    let usage = ran.report.usage;
    assert!(usage.cpu > std::time::Duration::ZERO && usage.peak_memory_bytes > 10 << 20, "{usage:?}");
    assert!(usage.wall >= usage.guest && usage.wall == usage.guest + usage.tool, "{usage:?}");
    assert!(ran.report.duration >= usage.wall);
}
