//! What the audit log says of what really happened, and what happens where it cannot be written.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_proto::v1::{self, server_message::Message};
use codemode_server::{Audit, AuditTarget};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::support::{ENDLESS, KEY, Served, block_on, one_place, serve_audited, started};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// `printf %s a-key | sha256sum | cut -c1-8`
const PRINCIPAL: &str = "key:2a8a1240";

struct Log {
    folder: TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Self { folder, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        read(&self.text())
    }

    /// Lines follow what they tell by the moment that the thread which writes them takes.
    fn until(&self, count: usize) {
        while self.text().lines().count() < count {}
    }

    /// Once the daemon has stopped, every line is there.
    async fn after(&self, mut served: Served) -> Vec<Value> {
        served.running.take().unwrap().drain(Duration::ZERO).await;
        self.lines()
    }

    fn full_disk(&self) {
        let full = self.folder.path().join("full");
        symlink("/dev/full", &full).unwrap();
        fs::rename(&full, &self.path).unwrap();
    }
}

fn read(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

fn offering(tool: &str, code: &str) -> v1::Start {
    let tools = vec![v1::ToolSpec { name: tool.into(), ..v1::ToolSpec::default() }];
    v1::Start { tools, correlation_id: "cm-1".into(), ..started(code) }
}

#[test]
fn an_execution_over_grpc_leaves_its_trail() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({}), &log.path).await;
        let mut stream = served.connect().await;
        // The second call goes past the proxy object, which would refuse it itself.
        let code = "import os, struct\n\
                    secret_variable = 'secret value'\n\
                    result = tools['lookup'].run(question='secret question')\n\
                    name, arguments = b'nosuch', b'{\"x\": \"secret argument\"}'\n\
                    sized = lambda data: struct.pack('<I', len(data)) + data\n\
                    os.write(3, sized(b'\\x01' + struct.pack('<Q', 77) + sized(name) + sized(arguments)))\n\
                    os.read(3, 4096)";
        stream.send("e1", offering("lookup", code));
        let Message::ToolCall(call) = stream.of("e1").await else { panic!() };
        // On record while it is under way.
        while !log.text().contains(r#""tool":"lookup","status":"called""#) {}
        stream.send("e1", codemode_proto::tool_result(call.call_id, Ok(br#""secret answer""#.to_vec())));
        assert_eq!(stream.finished("e1").await.outcome, "ok");
        drop(stream);
        let lines = log.after(served).await;
        let expected =
            ["daemon_start", "start", "tool_call", "tool_call", "tool_call", "violation", "end", "daemon_stop"];
        assert_eq!(events(&lines), expected);
        assert!(!log.text().contains("secret") && !log.text().contains(KEY), "{}", log.text());
        assert_eq!(lines[1]["environment"], Value::Null);
        for line in &lines[1..7] {
            assert_eq!((&line["execution_id"], &line["correlation_id"]), (&"e1".into(), &"cm-1".into()));
            assert_eq!((&line["principal"], &line["trace_id"]), (&PRINCIPAL.into(), &Value::Null));
            assert_eq!(line["code_sha256"].as_str().unwrap().len(), 64);
            assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
        }
        let decision = |line: &Value| (line["decision"].clone(), line["reason"].clone(), line["status"].clone());
        assert_eq!(decision(&lines[1]), ("allow".into(), "admitted".into(), Value::Null));
        assert_eq!((&lines[1]["code_bytes"], &lines[1]["tools"]), (&code.len().into(), &1.into()));
        assert_eq!(decision(&lines[2]), ("allow".into(), "offered".into(), "called".into()));
        assert_eq!(decision(&lines[3]), ("allow".into(), "offered".into(), "ok".into()));
        assert_eq!(decision(&lines[4]), ("deny".into(), "unauthorized_tool".into(), "refused".into()));
        assert_eq!((&lines[3]["tool"], &lines[4]["tool"]), (&"lookup".into(), &"nosuch".into()));
        assert_eq!((&lines[2]["call_id"], &lines[3]["call_id"]), (&call.call_id.into(), &call.call_id.into()));
        assert_eq!((&lines[5]["reason"], &lines[5]["detail"]), (&"unauthorized_tool".into(), &"nosuch".into()));
        assert_eq!(lines[5]["source"], "supervisor");
        let end = &lines[6];
        assert_eq!((&end["outcome"], &end["exit_code"], &end["tier"]), (&"ok".into(), &0.into(), &"full".into()));
        assert_eq!((&end["tool_calls"], &end["violations"], &end["artifacts"]), (&2.into(), &1.into(), &0.into()));
        assert!(end["usage"]["cpu_ms"].is_number() && end["duration_ms"].as_f64().unwrap() > 0.0);
    });
}

#[test]
fn an_execution_over_http_is_part_of_its_trace() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({}), &log.path).await;
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let mut expected = Vec::new();
        for (header, trace_id) in [(parent.as_str(), json!(TRACE)), ("00-0-0-0", Value::Null)] {
            let code = "import os\nopen('/outputs/x', 'w').write('12345')";
            let answer = served.post_text(&json!({"code": code}).to_string(), &[("traceparent", header)]).await;
            expected.push((answer.json()["execution_id"].clone(), trace_id));
        }
        let lines = log.after(served).await;
        for (id, trace_id) in expected {
            let mine: Vec<_> = lines.iter().filter(|line| line["execution_id"] == id).cloned().collect();
            assert_eq!(events(&mine), ["start", "end"]);
            assert!(mine.iter().all(|line| line["trace_id"] == trace_id), "{mine:?}");
            assert_eq!((&mine[1]["artifacts"], &mine[1]["artifact_bytes"]), (&1.into(), &5.into()));
            assert_eq!(mine[0]["code_sha256"], "b2b75ba176909881bd3e60dccff06f82ddf66075e484505da3c75a9741036ba9");
        }
    });
}

#[test]
fn refusals_are_on_record_with_their_reason() {
    block_on(async {
        let log = Log::new();
        let served =
            serve_audited(&[KEY], json!({"limits": {"max_code_length": 20, "value_bytes": 4096}}), &log.path).await;
        let status = served.post_text("{}", &[("x-api-key", "wrong-key")]).await.status;
        assert_eq!(status, 401);
        let mut bare = v1::executor_client::ExecutorClient::new(served.channel().await);
        let mut wrong = Request::new(tokio_stream::iter([v1::ClientMessage::default()]));
        wrong.metadata_mut().insert("authorization", "Bearer wrong-key".parse().unwrap());
        assert_eq!(bare.connect(wrong).await.unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(served.post(&json!({"code": "'secret' + 'long code'"})).await.status, 422);
        assert_eq!(served.post_text(r#"{"code": "1", "max_code_length": "secret"}"#, &[]).await.status, 422);
        let huge = json!({"code": "1", "context": {"x": "y".repeat(9 << 20)}});
        assert_eq!(served.post(&huge).await.status, 413);
        let mut stream = served.connect().await;
        stream.start("a b", "1");
        assert_eq!(stream.rejected("a b").await.code, "invalid_request");
        stream.send("dup", v1::Start { tools: vec![v1::ToolSpec::default()], ..started("1") });
        assert_eq!(stream.rejected("dup").await.code, "invalid_request");
        let wider = json!({"execution": {"allowed_commands": ["rm"]}}).to_string().into_bytes();
        let mut refused = served.connect_with(v1::Hello { policy: wider, ..v1::Hello::default() }).await;
        assert!(matches!(refused.next().await.unwrap().message, Some(Message::Rejected(_))));
        let mut rude = served.connect().await;
        rude.outgoing.as_ref().unwrap().send(v1::ClientMessage::default()).unwrap();
        assert_eq!(rude.next().await.unwrap_err().code(), Code::InvalidArgument);
        let mut large = served.connect().await;
        large.start("large", &"1".repeat(9 << 20));
        assert!(large.next().await.is_err());
        drop((stream, refused, rude, large));
        let lines = log.after(served).await;
        let refusals = of(&lines, "refusal");
        assert_eq!(refusals.len() + 2, lines.len(), "{lines:?}");
        assert!(refusals.iter().all(|line| line["decision"] == "deny"));
        let told: Vec<_> = refusals
            .iter()
            .map(|it| [&it["reason"], &it["principal"], &it["execution_id"]].map(|it| it.as_str().unwrap_or("-")))
            .map(|[reason, principal, id]| (reason, principal, if id.len() == 32 { "new" } else { id }))
            .collect();
        let known = |reason: &'static str, id: &'static str| (reason, PRINCIPAL, id);
        let expected = [
            ("unauthenticated", "-", "-"),
            ("unauthenticated", "-", "-"),
            known("code_too_long", "new"),
            known("invalid_request", "-"),
            known("too_large", "-"),
            known("invalid_request", "-"),
            known("invalid_request", "dup"),
            known("policy", "-"),
            known("invalid_request", "-"),
            known("too_large", "-"),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (&refusals[0]["path"], &refusals[1]["path"]),
            (&"/v1/executions".into(), &"/codemode.v1.Executor/Connect".into())
        );
        assert!(refusals[2]["detail"].as_str().unwrap().contains("limits.max_code_length"));
        assert!(!log.text().contains("wrong-key") && !log.text().contains("secret"), "{}", log.text());
    });
}

#[test]
fn a_hostile_path_forges_nothing() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({}), &log.path).await;
        let path = "/etc/x\n\x1b[31m\u{9b}2J\u{202e}\", \"decision\": \"allow\"}\n{\"event\": \"end\"}";
        let code = format!("try: open({path:?})\nexcept OSError: pass", path = PythonText(path));
        let body = served.post(&json!({"code": code})).await.json();
        // The result keeps the path as it was.
        assert_eq!(body["violations"][0]["detail"], path, "{body}");
        log.until(4);
        let text = log.text();
        assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text}");
        let lines = log.after(served).await;
        assert_eq!(events(&lines), ["daemon_start", "start", "violation", "end", "daemon_stop"]);
        assert_eq!((&lines[2]["detail"], &lines[2]["decision"]), (&path.into(), &"deny".into()));
        assert_eq!((&lines[2]["reason"], &lines[2]["source"]), (&"unauthorized_path".into(), &"guest".into()));
    });
}

/// As a Python literal.
struct PythonText<'a>(&'a str);

impl std::fmt::Debug for PythonText<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", Value::from(self.0))
    }
}

#[test]
fn a_caller_that_leaves_is_followed_to_the_end() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], one_place(), &log.path).await;
        let held = served.post_and_hold(&json!({"code": ENDLESS})).await;
        while served.post(&json!({"code": "1"})).await.status == 200 {}
        drop(held);
        while served.post(&json!({"code": "1"})).await.status == 429 {}
        let mut stream = served.connect().await;
        stream.start("left", &format!("try: open('/etc/shadow')\nexcept OSError: pass\n{ENDLESS}"));
        assert!(matches!(stream.of("left").await, Message::Output(_)));
        drop(stream);
        let lines = log.after(served).await;
        let starts = of(&lines, "start").len();
        let ends = of(&lines, "end");
        assert_eq!(starts, ends.len());
        assert_eq!(ends.iter().filter(|end| end["outcome"] == "cancelled").count(), 2, "{ends:?}");
        let violations = of(&lines, "violation");
        assert_eq!((&violations[0]["execution_id"], &violations[0]["detail"]), (&"left".into(), &"/etc/shadow".into()));
    });
}

#[test]
fn what_runs_at_the_end_is_accounted_for() {
    block_on(async {
        let log = Log::new();
        let mut served = serve_audited(&[KEY], json!({}), &log.path).await;
        let mut stream = served.connect().await;
        stream.start("a", ENDLESS);
        assert!(matches!(stream.of("a").await, Message::Output(_)));
        served.running.take().unwrap().drain(Duration::ZERO).await;
        let lines = log.lines();
        assert_eq!(events(&lines), ["daemon_start", "start", "end", "daemon_stop"]);
        assert_eq!(lines[2]["outcome"], "interrupted");
    });
}

#[test]
fn the_file_is_private_and_goes_on_after_a_restart() {
    block_on(async {
        let log = Log::new();
        for run in 1..=2 {
            let served = serve_audited(&[], json!({}), &log.path).await;
            assert_eq!(served.post(&json!({"code": "1"})).await.status, 200);
            let lines = log.after(served).await;
            assert_eq!(lines.len(), 4 * run);
            assert!(of(&lines, "start").iter().all(|line| line["principal"] == "local"));
        }
        assert_eq!(fs::metadata(&log.path).unwrap().permissions().mode() & 0o7777, 0o600);
    });
}

#[test]
fn a_rotated_file_is_let_go() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({}), &log.path).await;
        assert_eq!(served.post(&json!({"code": "1"})).await.status, 200);
        log.until(3);
        let old = log.folder.path().join("audit.jsonl.1");
        fs::rename(&log.path, &old).unwrap();
        assert_eq!(served.post(&json!({"code": "2"})).await.status, 200);
        let lines = log.after(served).await;
        assert_eq!(events(&lines), ["start", "end", "daemon_stop"]);
        assert_eq!(events(&read(&fs::read_to_string(old).unwrap())), ["daemon_start", "start", "end"]);
    });
}

#[test]
fn what_cannot_be_written_is_known_at_the_start() {
    let refused = |path: &str| Audit::open(Some(&AuditTarget::File(Path::new(path).into()))).unwrap_err().to_string();
    insta::assert_snapshot!(refused("/nowhere/audit.jsonl"), @"audit: cannot write /nowhere/audit.jsonl: No such file or directory (os error 2); name a file that this process can write, or remove the key");
    insta::assert_snapshot!(refused("/dev/full"), @"audit: cannot write /dev/full: No space left on device (os error 28); name a file that this process can write, or remove the key");
}

#[test]
fn nothing_runs_while_nothing_can_be_written() {
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({}), &log.path).await;
        let mut running = served.connect().await;
        running.send("before", offering("t", "result = tools['t'].run()"));
        let Message::ToolCall(call) = running.of("before").await else { panic!() };
        log.until(3);
        let kept = log.folder.path().join("kept");
        fs::rename(&log.path, &kept).unwrap();
        log.full_disk();
        // Its end cannot be written, which is how the trouble is noticed. It is answered all the same.
        running.send("before", codemode_proto::tool_result(call.call_id, Ok(b"1".to_vec())));
        assert_eq!(running.finished("before").await.outcome, "ok");
        let mut refused = 0;
        let unready = loop {
            let answer = served.get("/readyz").await;
            if answer.status != 200 {
                break answer;
            }
        };
        assert!(unready.status == 503 && !unready.body.contains("audit"), "{}", unready.body);
        for _ in 0..3 {
            let answer = served.post(&json!({"code": "open('/outputs/x', 'w')"})).await;
            assert_eq!((answer.status, &answer.json()["code"]), (500, &"internal".into()), "{}", answer.body);
            assert!(answer.json()["detail"].as_str().unwrap().contains("audit log"));
            refused += 1;
        }
        running.start("during", "1");
        assert_eq!(running.rejected("during").await.code, "internal");
        assert_eq!(served.post_text("{}", &[("x-api-key", "wrong")]).await.status, 401);
        refused += 2;
        // Room again: the next execution runs, and the log says what it lacks.
        fs::remove_file(&log.path).unwrap();
        running.start("after", "1");
        assert_eq!(running.finished("after").await.outcome, "ok");
        drop(running);
        let lines = log.after(served).await;
        assert_eq!(events(&lines), ["tool_call", "gap", "end", "start", "end", "daemon_stop"], "{lines:?}");
        assert_eq!((&lines[0]["execution_id"], &lines[2]["execution_id"]), (&"before".into(), &"before".into()));
        assert_eq!(
            (&lines[1]["refusals"], &lines[1]["error"]),
            (&refused.into(), &"No space left on device (os error 28)".into())
        );
        assert_eq!(events(&read(&fs::read_to_string(kept).unwrap())), ["daemon_start", "start", "tool_call"]);
    });
}

#[test]
fn calls_wait_for_their_lines_and_none_is_missing() {
    const CALLS: usize = 1100;
    /// One line that the full disk refuses, and those that wait behind it; with the call before the disk was full.
    const MOST: usize = 1 + 1 + 1024;
    block_on(async {
        let log = Log::new();
        let served = serve_audited(&[KEY], json!({"limits": {"max_tool_calls": CALLS}}), &log.path).await;
        let mut stream = served.connect().await;
        stream.send("many", offering("t", &format!("for _ in range({CALLS}): tools['t'].run()")));
        let Message::ToolCall(first) = stream.of("many").await else { panic!() };
        log.until(3);
        let kept = log.folder.path().join("kept");
        fs::rename(&log.path, &kept).unwrap();
        log.full_disk();
        let mut called = vec![first.call_id];
        // A machine that is slow enough to look as if it waited only makes this less strict.
        let held = loop {
            stream.send("many", codemode_proto::tool_result(*called.last().unwrap(), Ok(b"1".to_vec())));
            match timeout(Duration::from_secs(1), stream.of("many")).await {
                Ok(Message::ToolCall(call)) => called.push(call.call_id),
                Ok(other) => break Some(other),
                Err(_) => break None,
            }
        };
        assert!(held.is_none() && called.len() <= MOST, "{} calls went on: {held:?}", called.len());
        fs::remove_file(&log.path).unwrap();
        loop {
            match stream.of("many").await {
                Message::ToolCall(call) => {
                    called.push(call.call_id);
                    stream.send("many", codemode_proto::tool_result(call.call_id, Ok(b"1".to_vec())));
                }
                Message::Finished(finished) => break assert_eq!(finished.outcome, "ok"),
                other => panic!("{other:?}"),
            }
        }
        drop(stream);
        let mut lines = read(&fs::read_to_string(kept).unwrap());
        lines.extend(log.after(served).await);
        let recorded = |done: bool| -> Vec<u64> {
            let calls = of(&lines, "tool_call").into_iter().filter(|line| (line["status"] == "ok") == done);
            calls.map(|line| line["call_id"].as_u64().unwrap()).collect()
        };
        assert_eq!((called.len(), recorded(false), recorded(true)), (CALLS, called.clone(), called));
    });
}
