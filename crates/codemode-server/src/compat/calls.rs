//! The tool calls of one execution that are under way. Dropping them ends them at the application, too.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use codemode_proto::compat::{ToolCallRequest, ToolCallResponse, google::Struct};
use codemode_types::ToolFailure;
use prost::Message;
use tokio::task::{AbortHandle, JoinSet};

use super::{
    aside, clipped, meta,
    received::{Received, Share},
    tool_service::{ToolService, Trace, Unserved},
    values::{arguments, tool_result},
};

/// Of messages under way at once: what one execution makes this executor hold.
const MOST_HELD: usize = 16 << 20;
/// Of what a failure says. Errors wait for the code to read them, as many as it makes calls.
const MOST_WORDS: usize = 16 << 10;

pub(super) type Answer = Result<Vec<u8>, ToolFailure>;

pub(super) struct Calls {
    service: Option<(ToolService, Received)>,
    offered: Arc<HashSet<String>>,
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
    _share: Arc<Share>,
}

impl Calls {
    /// `offered`: what the request names.
    pub(super) fn new(service: Option<ToolService>, offered: &[String], context: Option<Struct>, trace: Trace) -> Self {
        let offered = Arc::new(offered.iter().cloned().collect());
        let service = service.map(|service| (service.clone(), service.received()));
        let context_bytes = context.as_ref().map_or(0, Message::encoded_len);
        let (running, live) = (JoinSet::new(), HashMap::new());
        Self { service, offered, context, context_bytes, trace, running, live, held: 0 }
    }

    /// An error is the answer already. The engine has checked the name, counts the calls and keeps their time.
    pub(super) async fn begin(&mut self, call_id: u64, name: String, given: Vec<u8>) -> Result<(), ToolFailure> {
        let Some((service, received)) = self.service.clone() else {
            let message = "this executor knows of no ToolService (main_app_grpc_target)";
            return Err(ToolFailure::new("ToolServiceUnreachable", message));
        };
        // The engine takes meta-tools for granted.
        if !self.offered.contains(&name) {
            return Err(ToolFailure::new("ToolNotFound", "the request does not name this tool"));
        }
        let arguments = aside(given.len(), move || arguments(&given)).await?;
        meta::check(&name, &arguments, &self.offered)?;
        let bytes = arguments.encoded_len() + self.context_bytes;
        if self.held.saturating_add(bytes) > MOST_HELD {
            let message = format!("calls of more than {MOST_HELD} bytes would be under way at once; await some first");
            return Err(ToolFailure::new("ToolArgumentsTooLarge", message));
        }
        let (context, correlation_id) = (self.context.clone(), self.trace.correlation_id().to_owned());
        let request = ToolCallRequest { tool_name: name.clone(), arguments: Some(arguments), context, correlation_id };
        let (trace, offered, share) = (self.trace.clone(), Arc::clone(&self.offered), received.share());
        let counted = Arc::clone(&share);
        let task = self.running.spawn(async move {
            let answered = service.call(request, &trace, &counted).await;
            let answer = match counted.refusal() {
                Some(why) => Err(ToolFailure::new("ToolAnswersUnread", why)),
                None => {
                    answered.as_ref().err().into_iter().for_each(|error| service.complain(error));
                    let told = move || answer(answered.map(|answer| meta::reduced(&name, answer, &offered)));
                    aside(counted.bytes(), told).await
                }
            };
            (call_id, answer)
        });
        self.held += bytes;
        self.live.insert(call_id, Live { task, bytes, _share: share });
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
fn answer(answered: Result<ToolCallResponse, Unserved>) -> Answer {
    let failure = match answered {
        Ok(ToolCallResponse { success: true, result, .. }) => return Ok(tool_result(result.as_ref())),
        Ok(ToolCallResponse { error, .. }) if error.is_empty() => {
            ToolFailure::new("ToolError", "it failed, and the application does not say why.")
        }
        Ok(ToolCallResponse { error, .. }) => ToolFailure::new("ToolError", error),
        Err(Unserved::Unreachable(_)) => {
            let message = "the application's ToolService cannot be reached; the executor's log says why";
            ToolFailure::new("ToolServiceUnreachable", message)
        }
        Err(Unserved::Refused(status)) => {
            let said = status.message();
            ToolFailure::new("ToolServiceRefused", format!("the application's ToolService refused the call: {said}"))
        }
    };
    let message = clipped(&failure.message, MOST_WORDS).to_owned();
    Err(ToolFailure { message, ..failure })
}
