//! The tool calls of one execution that are under way. Dropping them ends them at the application, too.

use std::collections::{HashMap, HashSet};

use codemode_proto::compat::{ToolCallRequest, ToolCallResponse, google::Struct};
use codemode_types::{ToolFailure, ToolSpec};
use prost::Message;
use tokio::task::{AbortHandle, JoinSet};

use super::{
    meta,
    tool_service::{ToolService, Trace, Unserved},
    values::{arguments, tool_result},
};

/// Of messages under way at once: what one execution makes this executor hold.
const MOST_HELD: usize = 16 << 20;

pub(super) type Answer = Result<Vec<u8>, ToolFailure>;

pub(super) struct Calls {
    service: Option<ToolService>,
    offered: HashSet<String>,
    /// As the caller gave it. The code can read it and neither change nor choose it.
    context: Option<Struct>,
    context_bytes: usize,
    trace: Trace,
    running: JoinSet<(u64, Answer)>,
    live: HashMap<u64, Live>,
    held: usize,
}

struct Live {
    task: AbortHandle,
    bytes: usize,
}

impl Calls {
    pub(super) fn new(service: Option<ToolService>, tools: &[ToolSpec], context: Option<Struct>, trace: Trace) -> Self {
        let offered = tools.iter().map(|tool| tool.name.clone()).collect();
        let context_bytes = context.as_ref().map_or(0, Message::encoded_len);
        let (running, live) = (JoinSet::new(), HashMap::new());
        Self { service, offered, context, context_bytes, trace, running, live, held: 0 }
    }

    /// An error is the answer already. The engine has checked the name, counts the calls and keeps their time.
    pub(super) fn begin(&mut self, call_id: u64, name: String, given: &[u8]) -> Result<(), ToolFailure> {
        let Some(service) = self.service.clone() else {
            let message = "this executor knows of no ToolService (main_app_grpc_target)";
            return Err(ToolFailure::new("ToolServiceUnreachable", message));
        };
        if meta::is_meta(&name) {
            meta::check(&name, given, &self.offered)?;
        }
        let arguments = arguments(given)?;
        let bytes = arguments.encoded_len() + self.context_bytes;
        if self.held.saturating_add(bytes) > MOST_HELD {
            let message = format!("calls of more than {MOST_HELD} bytes would be under way at once; await some first");
            return Err(ToolFailure::new("ToolArgumentsTooLarge", message));
        }
        let (context, correlation_id) = (self.context.clone(), self.trace.correlation_id().to_owned());
        let request = ToolCallRequest { tool_name: name.clone(), arguments: Some(arguments), context, correlation_id };
        let (trace, offered) = (self.trace.clone(), meta::is_meta(&name).then(|| self.offered.clone()));
        let task = self.running.spawn(async move {
            let mut answered = service.call(request, &trace).await;
            if let (Ok(ToolCallResponse { result: Some(result), .. }), Some(offered)) = (&mut answered, offered) {
                meta::reduce(&name, result, &offered);
            }
            (call_id, answer(answered, &service))
        });
        self.held += bytes;
        self.live.insert(call_id, Live { task, bytes });
        Ok(())
    }

    /// Its time is up, or the execution is over.
    pub(super) fn abandon(&mut self, call_id: u64) {
        if let Some(live) = self.forget(call_id) {
            live.task.abort();
        }
    }

    /// The next answer. Never where nothing is under way. Cancel safe.
    pub(super) async fn next(&mut self) -> (u64, Answer) {
        loop {
            match self.running.join_next().await {
                None => return std::future::pending().await,
                Some(Ok((call_id, answer))) => {
                    if self.forget(call_id).is_some() {
                        return (call_id, answer);
                    }
                }
                // It was abandoned.
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => tracing::error!(%error, "the task of a tool call failed"),
            }
        }
    }

    fn forget(&mut self, call_id: u64) -> Option<Live> {
        let live = self.live.remove(&call_id)?;
        self.held -= live.bytes;
        Some(live)
    }
}

/// The code is not told where the application is.
fn answer(answered: Result<ToolCallResponse, Unserved>, service: &ToolService) -> Answer {
    match answered {
        Ok(ToolCallResponse { success: true, result, .. }) => Ok(tool_result(result.as_ref())),
        Ok(ToolCallResponse { error, .. }) if error.is_empty() => {
            Err(ToolFailure::new("ToolError", "it failed, and the application does not say why."))
        }
        Ok(ToolCallResponse { error, .. }) => Err(ToolFailure::new("ToolError", error)),
        Err(Unserved::Unreachable(why)) => {
            tracing::warn!(address = service.address(), %why, "a tool call did not reach the ToolService");
            let message = "the application's ToolService cannot be reached; the executor's log says why";
            Err(ToolFailure::new("ToolServiceUnreachable", message))
        }
        Err(Unserved::Refused(status)) => {
            tracing::warn!(address = service.address(), code = ?status.code(), "the ToolService refused a tool call");
            let message = format!("the application's ToolService refused the call: {}", status.message());
            Err(ToolFailure::new("ToolServiceRefused", message))
        }
    }
}
