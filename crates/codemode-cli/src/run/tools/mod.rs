//! The tools of `--tools`.
//!
//! A Python process of our own loads, checks and runs them, with what the package does for an application. Here are only
//! their descriptions and the way of a call there and back, its values unread: so there is one implementation of tools,
//! which is Python's, and one of `run`, which is this.

mod messages;
mod process;

use std::{
    collections::HashMap,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codemode_client::{Request, ToolCall, ToolFailure, ToolFuture, ToolHost, ToolSpec};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::JoinHandle,
    time::timeout,
};

use crate::{
    args::RunArgs,
    exit::{Failure, UNAVAILABLE},
    tools::{EXIT_TOOLS, option, python},
};
use messages::{FromPython, Ready, ToPython};
use process::{PATIENCE, Process};

type Answer = Result<Vec<u8>, ToolFailure>;

/// Dropped, the process and what it started are killed.
pub(super) struct PythonTools {
    host: Arc<Host>,
    context: Vec<u8>,
    config: Vec<u8>,
    process: Process,
    /// Ending it ends the command's side of the socket, which is how the process is told that all is over.
    writer: JoinHandle<()>,
    /// The process's last words, its warnings; none where it ended without.
    reader: JoinHandle<Option<Vec<String>>>,
}

impl PythonTools {
    /// Once the tools are loaded. Otherwise the exit code: why has been told.
    pub(super) async fn start(args: &RunArgs) -> Result<Self, ExitCode> {
        let (mut process, stream) = launch(args).map_err(|failure| failure.report())?;
        let (read, write) = stream.into_split();
        let mut read = BufReader::new(read);
        let ready = match messages::read(&mut read).await {
            Ok(Some((FromPython::Ready(ready), _))) => ready,
            Ok(None) => return Err(not_ready(&mut process)),
            Ok(Some(_)) => return Err(unreadable("the tools are not what came first").report()),
            Err(error) => return Err(unreadable(error).report()),
        };
        let Ready { tools, context, config } = ready;
        let (outbox, inbox) = mpsc::unbounded_channel();
        let calls = Arc::new(Calls { open: Mutex::new(Some(HashMap::new())), outbox });
        let specs = tools.into_iter().map(ToolSpec::from).collect();
        Ok(Self {
            host: Arc::new(Host { specs, calls: Arc::clone(&calls) }),
            context: context.into_bytes(),
            config: config.into_bytes(),
            process,
            writer: tokio::spawn(write_all(write, inbox)),
            reader: tokio::spawn(answer_all(read, calls)),
        })
    }

    pub(super) fn host(&self) -> Arc<dyn ToolHost> {
        Arc::clone(&self.host) as Arc<dyn ToolHost>
    }

    /// The request with what the sources say of `context` and `config`.
    pub(super) fn introduce(&self, request: Request) -> Request {
        Request { context: self.context.clone(), config: self.config.clone(), ..request }
    }

    /// No call is made any more, and those under way are cancelled. What there is to say about the tools.
    pub(super) async fn close(&mut self) -> Vec<String> {
        self.writer.abort();
        match timeout(PATIENCE, &mut self.reader).await {
            Ok(Ok(Some(warnings))) => warnings,
            Ok(_) => vec![format!("the process that runs the tools has ended: {}", self.process.end())],
            Err(_) => {
                self.process.kill();
                let seconds = PATIENCE.as_secs();
                vec![format!("the process that runs the tools was killed: it did not answer for {seconds} s")]
            }
        }
    }

    /// Its `close()` hooks have run.
    pub(super) fn end(mut self) {
        self.process.end();
    }
}

fn launch(args: &RunArgs) -> Result<(Process, tokio::net::UnixStream), Failure> {
    let mut command = python()?;
    command.arg("serve").args(args.tools.iter().map(|source| option("--tools=", source.clone())));
    command.args(args.tool_filter.iter().map(|name| format!("--tool-filter={name}")));
    let program = command.get_program().to_owned();
    let cannot = |error| Failure::unavailable(format!("cannot run {}: {error}", program.display()));
    Process::start(command).map_err(cannot)
}

/// It has told why, where the exit code is one of its own; what a source did to end it, it could not.
fn not_ready(process: &mut Process) -> ExitCode {
    let status = process.end();
    match status.code() {
        Some(code) if code == i32::from(EXIT_TOOLS) => ExitCode::from(EXIT_TOOLS),
        Some(code) if code == i32::from(UNAVAILABLE) => ExitCode::from(UNAVAILABLE),
        _ => Failure { exit: EXIT_TOOLS, message: format!("loading the tools ended Python: {status}") }.report(),
    }
}

fn unreadable(problem: impl ToString) -> Failure {
    let message = format!("the tools cannot be read from the process that loaded them: {}", problem.to_string());
    Failure { exit: EXIT_TOOLS, message }
}

async fn write_all(mut to: OwnedWriteHalf, mut frames: UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        // Nobody reads any more: whoever reads the answers sees that too.
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn answer_all(mut from: BufReader<OwnedReadHalf>, calls: Arc<Calls>) -> Option<Vec<String>> {
    loop {
        match messages::read(&mut from).await {
            Ok(Some((FromPython::Answer { call_id, ok }, body))) => {
                calls.answer(call_id, if ok { Ok(body) } else { Err(messages::failure(&body)) });
            }
            Ok(Some((FromPython::Closed { warnings }, _))) => return Some(warnings),
            Ok(Some((FromPython::Ready(_), _)) | None) | Err(_) => {
                calls.end();
                return None;
            }
        }
    }
}

/// The calls under way.
struct Calls {
    /// `None`: the process has ended, and no call is answered any more.
    open: Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>,
    outbox: UnboundedSender<Vec<u8>>,
}

impl Calls {
    fn begin(&self, call: &ToolCall) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        self.open().as_mut()?.insert(call.call_id, sender);
        self.send(&ToPython::of(call), &call.arguments);
        Some(receiver)
    }

    fn answer(&self, call_id: u64, answer: Answer) {
        let waiting = self.open().as_mut().and_then(|open| open.remove(&call_id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    fn abandon(&self, call_id: u64, timed_out: bool) {
        if let Some(open) = self.open().as_mut() {
            open.remove(&call_id);
            self.send(&ToPython::Abandon { call_id, timed_out }, &[]);
        }
    }

    fn end(&self) {
        *self.open() = None;
    }

    fn send(&self, message: &ToPython<'_>, body: &[u8]) {
        // Without a reader there is nobody to tell.
        let _ = self.outbox.send(messages::frame(message, body));
    }

    fn open(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Answer>>>> {
        // Nothing panics while it is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tools as the client sees them.
struct Host {
    specs: Vec<ToolSpec>,
    calls: Arc<Calls>,
}

impl ToolHost for Host {
    fn specs(&self) -> Vec<ToolSpec> {
        self.specs.clone()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        let calls = Arc::clone(&self.calls);
        Box::pin(async move {
            let Some(answer) = calls.begin(&call) else { return Err(gone()) };
            let mut pending = Pending { calls, call, answered: false };
            let answer = answer.await;
            pending.answered = true;
            answer.unwrap_or_else(|_| Err(gone()))
        })
    }
}

fn gone() -> ToolFailure {
    ToolFailure::new("RuntimeError", "the process that runs the tools has ended")
}

/// Tells the process when nobody waits for a call any more.
struct Pending {
    calls: Arc<Calls>,
    call: ToolCall,
    answered: bool,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.calls.abandon(self.call.call_id, self.call.hold.timed_out());
        }
    }
}
