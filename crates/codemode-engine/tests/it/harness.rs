//! A host in small: starts an engine, runs code, answers its tool calls.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use codemode_engine::{Attacks, Engine, EngineConfig, Execution, ExecutionEvent, ExecutionRequest, StartError};
use codemode_types::{
    CorrelationId, ExecutionId, ExecutionReport, Globals, LimitOverrides, Outcome, OutputStream, Policy, ToolFailure,
    ToolSpec,
};
use serde_json::Value;

pub(crate) fn interpreter() -> PathBuf {
    std::env::var_os("PYTHON").map_or_else(|| "/usr/bin/python3".into(), PathBuf::from)
}

/// Built by `cargo build -p codemode-guest`, beside this test.
pub(crate) fn guest_library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.ancestors().nth(2).unwrap().join("libcodemode_guest.so");
    assert!(library.is_file(), "{} is missing: run `cargo build -p codemode-guest`", library.display());
    library
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

pub(crate) async fn engine(policy: Value) -> Engine {
    engine_of(policy, interpreter()).await
}

pub(crate) async fn engine_of(policy: Value, interpreter: PathBuf) -> Engine {
    let policy = Policy::from_value(&policy, Path::new("/")).unwrap();
    let config = EngineConfig { policy, interpreter, guest_library: guest_library() };
    Engine::start(config).await.unwrap_or_else(|error| panic!("{error}"))
}

/// With attacks of the test's own.
pub(crate) async fn engine_against(policy: Value, attacks: &[Attacks]) -> Result<Engine, StartError> {
    let policy = Policy::from_value(&policy, Path::new("/")).unwrap();
    let config = EngineConfig { policy, interpreter: interpreter(), guest_library: guest_library() };
    Engine::start_against(config, attacks).await
}

pub(crate) fn tool(name: &str) -> ToolSpec {
    ToolSpec { name: name.into(), ..ToolSpec::default() }
}

pub(crate) fn request(engine: &Engine, code: &str) -> ExecutionRequest {
    ExecutionRequest {
        id: ExecutionId::parse("test").unwrap(),
        correlation_id: CorrelationId::parse("test").unwrap(),
        code: code.into(),
        tools: vec![tool("echo")],
        context: b"{}".to_vec(),
        config: b"{}".to_vec(),
        overrides: LimitOverrides::default(),
        policy: engine.info().policy,
        check_tools: true,
        artifact_bytes: 0,
        globals: Globals::default(),
        environment: None,
    }
}

pub(crate) fn narrowed(engine: &Engine, code: &str, policy: Value) -> ExecutionRequest {
    let policy = engine.info().policy.narrowed(&policy).unwrap();
    ExecutionRequest { policy: Arc::new(policy), ..request(engine, code) }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: ExecutionReport,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) calls: Vec<(u64, String, String)>,
    /// And whether its time was up.
    pub(crate) abandoned: Vec<(u64, bool)>,
}

impl Ran {
    pub(crate) fn outcome(&self) -> Outcome {
        self.report.outcome
    }

    pub(crate) fn result(&self) -> String {
        assert_eq!(self.report.outcome, Outcome::Ok, "{self:#?}");
        String::from_utf8(self.report.result.clone().unwrap_or_default()).unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.report.failure.clone().unwrap_or_default().message
    }

    /// Outcome, error type, exit code.
    pub(crate) fn end(&self) -> (Outcome, String, i32) {
        let error_type = self.report.failure.clone().unwrap_or_default().error_type;
        (self.report.outcome, error_type, self.report.exit_code)
    }
}

/// What the tool `echo` says.
pub(crate) fn echo(_name: &str, arguments: &str) -> Option<Result<Vec<u8>, ToolFailure>> {
    Some(Ok(arguments.into()))
}

pub(crate) async fn run(engine: &Engine, code: &str) -> Ran {
    finish(engine.execute(request(engine, code)).unwrap(), echo).await
}

pub(crate) async fn run_within(engine: &Engine, environment: &str, code: &str) -> Ran {
    let request = ExecutionRequest { environment: Some(environment.into()), ..request(engine, code) };
    finish(engine.execute(request).unwrap(), echo).await
}

/// Reads to the end; `answer` gives no answer where a tool is to hang.
pub(crate) async fn finish(
    mut execution: Execution,
    mut answer: impl FnMut(&str, &str) -> Option<Result<Vec<u8>, ToolFailure>>,
) -> Ran {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut calls, mut abandoned) = (Vec::new(), Vec::new());
    while let Some(event) = execution.events.recv().await {
        match event {
            ExecutionEvent::Output { stream: OutputStream::Stdout, data } => stdout.extend_from_slice(&data),
            ExecutionEvent::Output { stream: OutputStream::Stderr, data } => stderr.extend_from_slice(&data),
            ExecutionEvent::ToolCall { call_id, name, arguments, .. } => {
                let arguments = String::from_utf8(arguments).unwrap();
                if let Some(answer) = answer(&name, &arguments) {
                    execution.answer(call_id, answer);
                }
                calls.push((call_id, name, arguments));
            }
            ExecutionEvent::ToolCallAbandoned { call_id, timed_out } => abandoned.push((call_id, timed_out)),
            ExecutionEvent::AnswerTaken { .. } | ExecutionEvent::Network(_) => {}
            ExecutionEvent::Finished(report) => {
                assert!(execution.events.recv().await.is_none(), "an event after the last");
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return Ran { report: *report, stdout: text(stdout), stderr: text(stderr), calls, abandoned };
            }
        }
    }
    panic!("the events ended without a report");
}

/// Reads until the code has printed `word` and nothing else.
pub(crate) async fn await_word(execution: &mut Execution, word: &str) {
    let mut seen = Vec::new();
    while seen != word.as_bytes() {
        match execution.events.recv().await {
            Some(ExecutionEvent::Output { data, .. }) => seen.extend_from_slice(&data),
            other => panic!("{other:?} after {}", String::from_utf8_lossy(&seen)),
        }
    }
}
