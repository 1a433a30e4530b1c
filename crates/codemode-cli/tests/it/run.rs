use std::{
    fs,
    io::{BufReader, Write},
    process::Stdio,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{command, line_with, rest, run, signal};

const ENDLESS: &str = "import time\nprint('up', flush=True)\ntime.sleep(600)";

#[test]
fn output_then_the_result() {
    let ran = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n2 + 2", &[]);
    assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.as_str()), (0, "out\n4\n", "err\n"));
    let ran = run("print('no newline', end='')\nresult = 'text as it is'", &[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "no newline\ntext as it is\n"));
    assert_eq!(run("None", &[]).stdout, "");
}

#[test]
fn the_exit_code_is_the_codes_own() {
    let ran = run("import sys\nsys.exit(3)", &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (3, ""));
    let ran = run("import sys\nsys.exit('bye')", &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (1, "bye\n"));
    let ran = run("print('so far')\nraise ValueError('no')", &[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (1, "so far\n"));
    assert!(ran.stderr.ends_with("ValueError: no\n") && ran.stderr.contains("line 2"), "{}", ran.stderr);
    let ran = run("while True: pass", &["--timeout", "0.3"]);
    assert_eq!(ran.exit, 124);
    assert!(ran.stderr.starts_with("Timeout: "), "{}", ran.stderr);
}

#[test]
fn code_that_is_refused_is_bad_usage() {
    let ran = run("", &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (64, "codemode: the code is empty\n"));
    let ran = run("1", &["--allow", "no-such-command"]);
    assert_eq!(ran.exit, 64, "{}", ran.stderr);
    assert!(ran.stderr.contains("no-such-command"), "{}", ran.stderr);
}

#[test]
fn json_is_one_document() {
    let ran = run("print('out')\n2 ** 70", &["--json"]);
    assert_eq!((ran.exit, ran.stderr.as_str(), ran.stdout.lines().count()), (0, "", 1));
    assert!(ran.stdout.contains(r#""result":1180591620717411303424,"#), "{}", ran.stdout);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["stdout"], &document["success"]), (&"out\n".into(), &true.into()));
    let ran = run("1 / 0", &["--json"]);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.exit, &document["error"]["error_type"]), (1, &"ZeroDivisionError".into()));
}

/// Every key of the document, in order.
fn keys(document: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(document).unwrap();
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn a_refusal_has_the_shape_of_a_report() {
    let report = run("1", &["--json"]);
    let refused = run("", &["--json"]);
    assert_eq!((refused.exit, refused.stderr.as_str()), (64, ""));
    assert_eq!(keys(&refused.stdout), keys(&report.stdout));
    let document: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!((&document["success"], &document["outcome"]), (&false.into(), &"rejected".into()));
    let error = serde_json::json!({
        "error_type": "Rejected", "message": "invalid_code: the code is empty", "traceback": "", "line": null
    });
    assert_eq!((&document["error"], &document["exit_code"]), (&error, &Value::Null));
    assert_eq!((&document["stdout"], &document["usage"]["wall_ms"]), (&"".into(), &0.0.into()));
    assert!(document["execution_id"].is_string(), "{document}");
    let long = run(&"1".repeat(50_001), &["--json"]);
    assert!(
        long.exit == 64 && long.stdout.contains(r#""message":"code_too_long: the code is 50001 "#),
        "{}",
        long.stdout
    );
}

#[test]
fn output_that_was_cut_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    fs::write(&path, "limits: {output_bytes: 4096}\n").unwrap();
    let ran = run("print('x' * 5000)", &["--config", path.to_str().unwrap()]);
    let said = "OutputLimitExceeded: stdout was cut at 4 KiB (limits.output_bytes); print less, or write to /outputs\n";
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, said));
}

#[test]
fn folders_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (workspace, outputs) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&workspace).unwrap();
    fs::write(workspace.join("log"), "ERROR one\nok\nERROR two\n").unwrap();
    let code = "import subprocess\n\
                subprocess.run(['bash', '-c', 'grep -c ERROR /workspace/log > /outputs/count'], check=True)";
    let arguments =
        ["--workspace", workspace.to_str().unwrap(), "--outputs", outputs.to_str().unwrap(), "--allow", "grep,bash"];
    let ran = run(code, &arguments);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(outputs.join("count")).unwrap(), "2\n");
    let ran = run("import subprocess", &[]);
    assert!(ran.stderr.contains("No module named 'subprocess'"), "{}", ran.stderr);
}

#[test]
fn the_file_is_the_policy_and_options_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    fs::write(&path, "limits: {max_code_length: 6}\nexecution: {allowed_commands: [ls]}\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(run("10 + 10", &["--config", path]).exit, 64);
    let job = folder.path().join("job.py");
    fs::write(&job, "1").unwrap();
    let ran = command(&["run", job.to_str().unwrap(), "--config", path, "--allow", "cat"]).output().unwrap();
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"1\n"[..]));
}

#[test]
fn ctrl_c_cancels_and_shows_what_there_was() {
    let mut child =
        command(&["run", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(ENDLESS.as_bytes()).unwrap();
    line_with(&mut BufReader::new(child.stdout.take().unwrap()), "up");
    signal(&child, Signal::INT);
    let stderr = rest(child.stderr.take().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(143), "{stderr}");
    assert!(stderr.starts_with("Cancelled: "), "{stderr}");
}

#[test]
fn kill_9_leaves_no_executor_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = command(&["run", "-"])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(ENDLESS.as_bytes()).unwrap();
    line_with(&mut BufReader::new(child.stdout.take().unwrap()), "up");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    // The executor has this pipe as well: it ends when the last holder has. It has nothing to complain of.
    assert_eq!(rest(child.stderr.take().unwrap()), "");
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
