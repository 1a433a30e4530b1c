use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use codemode_proto::{
    DEFAULT_OUTPUT_CREDIT, tool_result,
    v1::{self, server_message::Message},
};
use codemode_types::{ExecutionId, OutputStream, Rejection, ToolFailure};
use tokio::{task::JoinError, time::Instant};
use tokio_util::{sync::CancellationToken, task::JoinMap};

use crate::{
    CallReporter, ClientError, ExecutionOutcome, Hold, META_TOOLS, OutputSink, Request, ToolCall, ToolHost,
    events::Outlet,
    link::{Link, Route},
    parts::Parts,
    size,
    status::LinkFailure,
    tools,
};

/// How long a cancelled execution's report may take; the executor kills first and tells then.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// Credit is given back in portions, not per frame.
const CREDIT_PORTION: u64 = DEFAULT_OUTPUT_CREDIT / 4;

type Answer = Result<Vec<u8>, ToolFailure>;

/// Runs one execution over an open link. Dropping the future cancels the execution and its tool calls.
pub(crate) async fn run<S: OutputSink>(
    link: &Arc<Link>,
    id: ExecutionId,
    request: Request,
    host: Arc<dyn ToolHost>,
    sink: S,
    outlet: Option<Outlet>,
) -> Result<ExecutionOutcome, ClientError> {
    let specs = host.specs();
    let limits = &link.info.policy.limits;
    size::check(&request, &specs, limits).map_err(|refusal| ClientError::refused(refusal, id.clone()))?;
    let value_bytes = limits.value_bytes.bytes();
    let route = match link.route(&id) {
        Ok(Some(route)) => route,
        Ok(None) => return Err(ClientError::config(format!("execution id {id} is in use"))),
        // Found broken before anything was sent.
        Err(failure) => return Err(failure.at_connect(&link.peer)),
    };
    let cancel = request.cancel.clone();
    let names = specs.iter().map(|spec| spec.name.clone()).collect();
    let context = Bytes::copy_from_slice(&request.context);
    route.send(start(request, specs));
    let (calls, open, output) = (JoinMap::new(), HashMap::new(), Output::default());
    let parts = Parts::new(link.tool_result_credit);
    let mut execution =
        Execution { link, id, route, host, names, context, value_bytes, calls, open, parts, outlet, sink, output };
    let ended = execution.drive(cancel).await;
    execution.abandon_all();
    execution.finish(ended?)
}

fn start(request: Request, specs: Vec<codemode_types::ToolSpec>) -> v1::Start {
    let start = v1::Start {
        code: request.code,
        tools: specs.into_iter().map(Into::into).collect(),
        context: request.context,
        config: request.config,
        correlation_id: request.correlation_id.map(|id| id.to_string()).unwrap_or_default(),
        output_credit: DEFAULT_OUTPUT_CREDIT,
        skip_tool_check: request.skip_tool_check,
        artifact_bytes: request.artifact_bytes,
        variables: request.globals.variables,
        keep_variables: request.globals.keep_variables,
        bare_tools: request.globals.bare_tools,
        environment: request.environment.unwrap_or_default(),
        ..v1::Start::default()
    };
    start.with_overrides(&request.overrides)
}

struct Execution<'a, S> {
    link: &'a Link,
    id: ExecutionId,
    route: Route,
    host: Arc<dyn ToolHost>,
    names: Vec<String>,
    context: Bytes,
    value_bytes: u64,
    /// A task per call: the others go on while one blocks, and a panic stays in its own.
    calls: JoinMap<u64, Answer>,
    /// What is told about those, where somebody reads it.
    open: HashMap<u64, Open>,
    parts: Parts,
    outlet: Option<Outlet>,
    sink: S,
    output: Output,
}

struct Open {
    reporter: CallReporter,
    hold: Hold,
    timeout: Duration,
}

#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    owed: u64,
    warnings: Vec<String>,
}

impl<S: OutputSink> Execution<'_, S> {
    async fn drive(&mut self, cancel: CancellationToken) -> Result<v1::Finished, ClientError> {
        let mut cancelled_at = None;
        loop {
            tokio::select! {
                biased;
                message = self.route.receive() => {
                    let message = message.map_err(|failure| failure.during(&self.link.peer, &self.id))?;
                    if let Some(done) = self.take(message).await? {
                        return Ok(done);
                    }
                }
                Some((call, answer)) = self.calls.join_next(), if !self.calls.is_empty() => self.answer(call, answer),
                () = cancel.cancelled(), if cancelled_at.is_none() => {
                    self.route.send(v1::Cancel {});
                    cancelled_at = Some(Instant::now());
                }
                () = patience(cancelled_at), if cancelled_at.is_some() => {
                    return Err(LinkFailure::Silent.during(&self.link.peer, &self.id));
                }
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<Option<v1::Finished>, ClientError> {
        match message {
            Message::Finished(finished) => return Ok(Some(finished)),
            Message::Rejected(rejected) => return Err(self.refused(rejected)),
            Message::Accepted(accepted) => self.output.warnings = accepted.warnings,
            Message::Output(output) => self.emit(output).await?,
            Message::ToolCall(call) => self.call(call).await,
            Message::ToolResultCredit(credit) => {
                self.parts.add_credit(credit.bytes);
                self.send_parts();
            }
            Message::ToolCallAbandoned(call) => {
                self.abandon(call.call_id, call.timed_out);
                self.calls.abort(&call.call_id);
            }
            Message::Welcome(_) => return Err(self.confused("a second welcome")),
        }
        Ok(None)
    }

    async fn emit(&mut self, output: v1::Output) -> Result<(), ClientError> {
        let (stream, data) = output.into_parts().map_err(|error| self.confused(error))?;
        let length = data.len() as u64;
        match stream {
            OutputStream::Stdout => self.output.stdout.extend_from_slice(&data),
            OutputStream::Stderr => self.output.stderr.extend_from_slice(&data),
        }
        self.sink.write(stream, data).await;
        self.output.owed += length;
        if self.output.owed >= CREDIT_PORTION {
            self.route.send(v1::Credit { bytes: std::mem::take(&mut self.output.owed) });
        }
        Ok(())
    }

    async fn call(&mut self, call: v1::ToolCall) {
        let timeout = call.timeout();
        let v1::ToolCall { call_id, name, arguments, .. } = call;
        let hold = self.route.hold(call_id);
        let reporter = match &self.outlet {
            Some(outlet) => CallReporter::begin(outlet, call_id, &name, &arguments).await,
            None => CallReporter::silent(),
        };
        self.open.insert(call_id, Open { reporter: reporter.clone(), hold: hold.clone(), timeout });
        // The executor filters as well; this side does not rely on it.
        if !META_TOOLS.contains(&name.as_str()) && !self.names.contains(&name) {
            let known: Vec<_> = self.names.iter().map(String::as_str).collect();
            let refusal = tools::unknown(&name, &known);
            return self.reply(call_id, Err(refusal));
        }
        let (execution_id, context, value_bytes) = (self.id.clone(), self.context.clone(), self.value_bytes);
        let bytes_behind = self.link.tool_result_credit > 0;
        let call = ToolCall {
            execution_id,
            call_id,
            name,
            arguments,
            context,
            timeout,
            value_bytes,
            bytes_behind,
            hold,
            reporter,
        };
        self.calls.spawn(call_id, self.host.call(call));
    }

    fn answer(&mut self, call_id: u64, answer: Result<Answer, JoinError>) {
        match answer {
            Ok(answer) => self.reply(call_id, size::fitting(answer, self.value_bytes)),
            Err(error) if error.is_panic() => {
                let failure = ToolFailure::new("Panic", "the tool panicked; the application's log has the reason");
                self.reply(call_id, Err(failure));
            }
            // Abandoned: nobody waits.
            Err(_) => {}
        }
    }

    fn reply(&mut self, call_id: u64, answer: Answer) {
        if let Some(Open { reporter, hold, .. }) = self.open.remove(&call_id) {
            reporter.answered(&answer, &hold);
        }
        match answer {
            Ok(value) if self.parts.carry(value.len()) => {
                self.parts.push(call_id, value.into());
                self.send_parts();
            }
            answer => self.route.send(tool_result(call_id, answer)),
        }
    }

    fn send_parts(&mut self) {
        while let Some(part) = self.parts.next() {
            self.route.send(part);
        }
    }

    fn abandon(&mut self, call_id: u64, timed_out: bool) {
        self.parts.forget(call_id);
        if let Some(Open { reporter, hold, timeout }) = self.open.remove(&call_id) {
            if timed_out {
                hold.expire();
            }
            reporter.abandoned(timeout, &hold);
        }
    }

    fn abandon_all(&mut self) {
        let left: Vec<u64> = self.open.keys().copied().collect();
        left.into_iter().for_each(|call_id| self.abandon(call_id, false));
    }

    fn finish(self, finished: v1::Finished) -> Result<ExecutionOutcome, ClientError> {
        let mut report = finished.into_report(self.id.clone()).map_err(|error| self.confused(error))?;
        let Output { stdout, stderr, warnings, .. } = self.output;
        let clamped: Vec<_> = warnings.into_iter().filter(|warning| !report.warnings.contains(warning)).collect();
        report.warnings.extend(clamped);
        Ok(ExecutionOutcome { report, stdout, stderr })
    }

    fn refused(&self, rejected: v1::Rejected) -> ClientError {
        match Rejection::try_from(rejected) {
            Ok(rejection) => {
                if rejection.code == codemode_types::ErrorCode::Draining {
                    self.link.retire();
                }
                ClientError::refused(rejection, self.id.clone())
            }
            Err(error) => self.confused(error),
        }
    }

    fn confused(&self, detail: impl ToString) -> ClientError {
        LinkFailure::Protocol(detail.to_string()).during(&self.link.peer, &self.id)
    }
}

async fn patience(since: Option<Instant>) {
    if let Some(since) = since {
        tokio::time::sleep_until(since + CANCEL_PATIENCE).await;
    }
}
