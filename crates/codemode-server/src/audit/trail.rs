//! One execution's lines, from its start to its end, in order. An execution whose caller goes away is followed to its
//! end all the same.

use std::{collections::VecDeque, sync::Arc};

use codemode_engine::{ExecutionEvent, NETWORK_VIOLATION};
use codemode_types::{ExecutionReport, Violation, ViolationSource};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Shared,
    line::{Line, Subject, was_refused},
    writer::Order,
};

/// Nothing, where no audit log is kept.
#[derive(Debug)]
pub(crate) struct Trail(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    audit: Arc<Shared>,
    subject: Subject,
    /// Lines for which the queue has no room yet.
    waiting: VecDeque<Line>,
    /// Calls that the application was asked to serve, in order.
    served: VecDeque<u64>,
    ended: bool,
    _token: TaskTrackerToken,
}

impl Trail {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn begin(audit: Arc<Shared>, subject: Subject, code_bytes: usize, tools: usize) -> Self {
        let start = subject.start(code_bytes, tools);
        let (waiting, served, _token) = (VecDeque::new(), VecDeque::new(), audit.trails.token());
        let mut open = Open { audit, subject, waiting, served, ended: false, _token };
        open.put(start);
        Self(Some(Box::new(open)))
    }

    pub(crate) fn hear(&mut self, event: &ExecutionEvent) {
        if let Some(open) = &mut self.0 {
            open.hear(event);
        }
    }

    /// Whether nothing waits. As long as something does, what it is about must wait as well.
    pub(crate) fn is_queued(&self) -> bool {
        self.0.as_ref().is_none_or(|open| open.waiting.is_empty())
    }

    /// Resolves when nothing waits any more. Cancel safe.
    pub(crate) async fn queued(&mut self) {
        if let Some(open) = &mut self.0 {
            open.queued().await;
        }
    }

    /// Leaves nothing here, where the end is not known yet.
    pub(crate) fn unfinished(&mut self) -> Option<Self> {
        let unfinished = self.0.as_ref().is_some_and(|open| !open.ended || !open.waiting.is_empty());
        unfinished.then(|| Self(self.0.take()))
    }
}

/// To the end of an execution that nobody else listens to.
pub(crate) async fn follow(mut trail: Trail, mut events: mpsc::Receiver<ExecutionEvent>) {
    trail.queued().await;
    while let Some(event) = events.recv().await {
        trail.hear(&event);
        trail.queued().await;
    }
}

impl Open {
    fn hear(&mut self, event: &ExecutionEvent) {
        match event {
            ExecutionEvent::Output { .. }
            | ExecutionEvent::ToolCallAbandoned { .. }
            | ExecutionEvent::AnswerTaken { .. } => {}
            ExecutionEvent::ToolCall { call_id, name, .. } => {
                self.served.push_back(*call_id);
                self.put(self.subject.tool_called(*call_id, name));
            }
            ExecutionEvent::Network(decision) => self.put(self.subject.network(decision)),
            ExecutionEvent::Finished(report) => self.end(report),
        }
    }

    fn end(&mut self, report: &ExecutionReport) {
        for call in &report.tool_calls {
            let line = match was_refused(call) {
                true => self.subject.tool_refused(call),
                false => self.subject.tool_finished(self.served.pop_front(), call),
            };
            self.put(line);
        }
        // What the proxy refused has its own lines.
        let is_told = |it: &Violation| it.kind == NETWORK_VIOLATION && it.source == ViolationSource::Supervisor;
        for violation in report.violations.iter().filter(|it| !is_told(it)) {
            self.put(self.subject.violation(violation));
        }
        self.put(self.subject.end(report));
        self.ended = true;
    }

    fn put(&mut self, line: Line) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(line);
        }
        match self.audit.queue.try_send(Order::Write(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(Order::Write(line))) => self.waiting.push_back(line),
            Err(_) => lost(1),
        }
    }

    async fn queued(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.audit.queue.reserve().await else {
                lost(self.waiting.len());
                return self.waiting.clear();
            };
            if let Some(line) = self.waiting.pop_front() {
                permit.send(Order::Write(line));
            }
        }
    }
}

impl Drop for Open {
    /// The daemon stops at once: what can still be said is.
    fn drop(&mut self) {
        let end = (!self.ended).then(|| self.subject.end_unknown());
        let rest = std::mem::take(&mut self.waiting);
        let untold = rest.into_iter().chain(end);
        let failed = untold.map(|line| self.audit.queue.try_send(Order::Write(line))).filter(Result::is_err).count();
        if failed > 0 {
            lost(failed);
        }
    }
}

/// Only once the daemon stops and its log is closed.
fn lost(lines: usize) {
    tracing::error!(lines, "the audit log is closed: lines are lost");
}
