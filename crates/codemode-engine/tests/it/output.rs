use codemode_types::{Outcome, ViolationSource};
use serde_json::json;

use crate::harness::{engine, resident, run};

const MARKER: &str = "\n[output truncated: limit of 10 MiB reached]\n";

#[tokio::test]
async fn a_flood_is_capped_and_costs_the_daemon_nothing() {
    let engine = engine(json!({})).await;
    let before = resident();
    let ran = run(&engine, "for _ in range(300): print('x' * ((1 << 20) - 1))\n'survived'").await;
    let grown = resident().saturating_sub(before);
    assert_eq!((ran.outcome(), ran.report.result.as_deref()), (Outcome::OutputLimit, Some(&b"\"survived\""[..])));
    assert!(ran.report.stdout_truncated && !ran.report.stderr_truncated);
    assert_eq!(ran.stdout.len(), (10 << 20) + MARKER.len());
    assert!(ran.stdout.ends_with(MARKER));
    // The harness itself keeps 10 MiB of it.
    assert!(grown < 64 << 20, "{grown} bytes");
}

#[tokio::test]
async fn both_streams_are_capped_alone() {
    let engine = engine(json!({"limits": {"output_bytes": 4096}})).await;
    let ran = run(&engine, "import sys\nprint('x' * 10000)\nprint('y', file=sys.stderr)").await;
    assert!(ran.stdout.ends_with("\n[output truncated: limit of 4 KiB reached]\n"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "y\n");
    let violations: Vec<_> =
        ran.report.violations.iter().map(|it| (it.kind.as_str(), it.detail.as_str(), it.source)).collect();
    let detail = "stdout was cut at 4 KiB (limits.output_bytes)";
    assert_eq!(violations, [("output_limit", detail, ViolationSource::Supervisor)]);
    assert_eq!(ran.outcome(), Outcome::OutputLimit);
}

#[tokio::test]
async fn what_a_dying_child_printed_is_there() {
    let engine = engine(json!({})).await;
    let ran = run(
        &engine,
        "import os\nif os.fork() == 0:\n    os.write(1, b'x' * 60000)\n    os._exit(0)\nos.wait()\nos._exit(7)",
    )
    .await;
    assert_eq!((ran.outcome(), ran.report.exit_code, ran.stdout.len()), (Outcome::Error, 7, 60_000));
}

#[tokio::test]
async fn a_host_that_does_not_read_stops_the_output_and_not_the_deadline() {
    let engine = engine(json!({"limits": {"code_timeout": 0.5}})).await;
    let code = "print('x' * (8 << 20))\nwhile True: pass";
    let execution = engine.execute(crate::harness::request(&engine, code)).unwrap();
    // The place is given back when the sandbox is gone, though nobody reads: the next one runs after the deadline.
    let next: Vec<_> = (0..4).map(|_| engine.execute(crate::harness::request(&engine, "1")).unwrap()).collect();
    for execution in next {
        assert_eq!(crate::harness::finish(execution, crate::harness::echo).await.result(), "1");
    }
    let ran = crate::harness::finish(execution, crate::harness::echo).await;
    assert_eq!(ran.outcome(), Outcome::Timeout, "{:?}", ran.end());
}

#[tokio::test]
async fn files_in_outputs_arrive_on_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("made/on/demand");
    let engine = engine(json!({"filesystem": {"outputs": {"mount": mount}}})).await;
    let code = "import os\nos.mkdir('/outputs/d')\nopen('/outputs/d/r.csv', 'w').write('a,b')\nos.symlink('/etc/passwd', '/outputs/link')\n1 / 0";
    let ran = run(&engine, code).await;
    assert_eq!(ran.outcome(), Outcome::Error);
    let artifact = &ran.report.artifacts[0];
    assert_eq!((artifact.path.as_str(), artifact.size, artifact.mime_type.as_str()), ("d/r.csv", 3, "text/csv"));
    assert_eq!(std::fs::read_to_string(mount.join("d/r.csv")).unwrap(), "a,b");
    assert_eq!(artifact.host_path.as_deref(), Some(&*mount.join("d/r.csv")));
    assert!(!mount.join("link").exists() && ran.report.artifacts.len() == 1);
    assert!(ran.report.warnings.iter().any(|warning| warning.contains("link")), "{:?}", ran.report.warnings);
}

#[tokio::test]
async fn an_outputs_folder_that_cannot_be_made_is_a_warning() {
    let mount = "/proc/nowhere";
    let engine = engine(json!({"filesystem": {"outputs": {"mount": mount}}})).await;
    let ran = run(&engine, "open('/outputs/a', 'w').write('x')").await;
    assert_eq!(ran.result(), "1");
    assert!(ran.report.warnings.iter().any(|warning| warning.contains(mount)), "{:?}", ran.report.warnings);
    assert_eq!(ran.report.artifacts[0].host_path, None);
}
