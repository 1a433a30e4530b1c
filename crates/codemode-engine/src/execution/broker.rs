//! Which tool calls are served: exact names, bounded counts, sizes and times. Pure: what it decides, the run does.

use std::{collections::HashMap, time::Duration};

use codemode_types::{
    Limits, ToolCallRecord, ToolCallStatus, ToolFailure, ToolSpec, Violation, ViolationSource, nearest,
};
use tokio::time::Instant;

use crate::escape::{escaped, shortened};

/// Answered by the client without a registration.
const META_TOOLS: [&str; 3] = ["__list__", "__schema__", "__search__"];
/// Frames are not read while this many calls are pending, so a thousand threads wait instead of failing.
pub(crate) const MOST_PENDING: usize = 256;
const RECORDED_ARGUMENT_BYTES: usize = 4 << 10;
/// Searching a near name costs time that the code does not pay for.
const SUGGESTIONS: u32 = 32;

#[derive(Debug)]
pub(crate) struct Broker {
    /// Of each tool that may be called, how long a call may take.
    timeouts: HashMap<String, Timeout>,
    most_calls: u64,
    value_bytes: u64,
    calls: u64,
    suggested: u32,
    live: HashMap<u64, LiveCall>,
    /// How many of those are being answered.
    coming: usize,
    records: Vec<ToolCallRecord>,
}

#[derive(Debug)]
struct LiveCall {
    since: Instant,
    timeout: Timeout,
    /// Spent waiting for a person, which is not the tool's time.
    held: Duration,
    held_since: Option<Instant>,
    /// Of an answer that comes in parts: how much of it there is, and how much has not come.
    coming: Option<(u64, u64)>,
    /// Its place in `records`.
    record: usize,
}

#[derive(Clone, Copy, Debug)]
struct Timeout {
    length: Duration,
    /// The tool's, and not the limit for all.
    is_own: bool,
}

impl LiveCall {
    /// None while it is held.
    fn deadline(&self) -> Option<Instant> {
        match self.held_since {
            Some(_) => None,
            None => Some(self.since + self.timeout.length + self.held),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Decision {
    /// Ask the host, who has so long.
    Serve { timeout: Duration },
    /// Answer at once.
    Refuse { failure: ToolFailure, violation: Option<Violation> },
    /// The guest breaks the protocol.
    Nonsense(String),
}

/// What becomes of a part of an answer.
#[derive(Debug)]
pub(crate) enum Part {
    /// The guest gets it, of so many bytes in all.
    Pass {
        total: u64,
    },
    /// That call is over, or never was.
    Unwanted,
    Refuse(ToolFailure),
}

impl Broker {
    pub(crate) fn new(tools: &[ToolSpec], limits: &Limits) -> Self {
        let common = Timeout { length: limits.tool_timeout, is_own: false };
        let timeout = |tool: &ToolSpec| match tool.timeout {
            Some(length) if length < common.length => Timeout { length, is_own: true },
            _ => common,
        };
        let offered = tools.iter().map(|tool| (tool.name.clone(), timeout(tool)));
        Self {
            timeouts: offered.chain(META_TOOLS.map(|name| (name.to_owned(), common))).collect(),
            most_calls: limits.max_tool_calls,
            value_bytes: limits.value_bytes.bytes(),
            calls: 0,
            suggested: 0,
            live: HashMap::new(),
            coming: 0,
            records: Vec::new(),
        }
    }

    pub(crate) fn pending(&self) -> usize {
        self.live.len()
    }

    /// Whether the host has the word. What the guest has not read of an answer is for the guest to read, and its own time.
    pub(crate) fn waits_for_host(&self, guest_is_behind: bool) -> bool {
        self.live.len() > if guest_is_behind { self.coming } else { 0 }
    }

    /// Whether a call was refused because there had been too many.
    pub(crate) fn refused_for_their_number(&self) -> bool {
        self.calls > self.most_calls
    }

    pub(crate) fn call(&mut self, call_id: u64, name: &str, arguments: &[u8]) -> Decision {
        if self.live.contains_key(&call_id) {
            return Decision::Nonsense(format!("tool call {call_id} was made while it was pending"));
        }
        self.calls = self.calls.saturating_add(1);
        if self.refused_for_their_number() {
            return self.too_many();
        }
        let Some(timeout) = self.timeouts.get(name).copied() else {
            let (failure, violation) = self.unknown(name);
            self.record(name, arguments, &failure.message);
            return Decision::Refuse { failure, violation: Some(violation) };
        };
        if arguments.len() as u64 > self.value_bytes {
            let failure = self.too_large("ToolArgumentsTooLarge", "the arguments are", arguments.len() as u64);
            self.record(name, arguments, &failure.message);
            return Decision::Refuse { failure, violation: None };
        }
        let record = self.record(name, arguments, "");
        let call =
            LiveCall { since: Instant::now(), timeout, held: Duration::ZERO, held_since: None, coming: None, record };
        self.live.insert(call_id, call);
        Decision::Serve { timeout: timeout.length }
    }

    /// A person is asked about the call, or has answered.
    pub(crate) fn hold(&mut self, call_id: u64, held: bool) {
        let Some(call) = self.live.get_mut(&call_id) else { return };
        match (held, call.held_since) {
            (true, None) => call.held_since = Some(Instant::now()),
            (false, Some(since)) => {
                call.held += since.elapsed();
                call.held_since = None;
            }
            _ => {}
        }
    }

    /// What the guest is to be told; `None`: that call is over, or never was.
    pub(crate) fn answer(
        &mut self,
        call_id: u64,
        answer: Result<Vec<u8>, ToolFailure>,
    ) -> Option<Result<Vec<u8>, ToolFailure>> {
        let call = self.remove(call_id)?;
        let answer = answer.and_then(|value| match value.len() as u64 > self.value_bytes {
            true => Err(self.too_large("ToolResultTooLarge", "the result is", value.len() as u64)),
            false => Ok(value),
        });
        match &answer {
            Ok(_) => self.close(&call, ToolCallStatus::Ok, ""),
            Err(failure) => self.close(&call, ToolCallStatus::Error, &failure.message),
        }
        Some(answer)
    }

    /// `total`: of the whole answer, in its first part; otherwise 0.
    pub(crate) fn answer_part(&mut self, call_id: u64, total: u64, length: usize) -> Part {
        let Some(call) = self.live.get(&call_id) else { return Part::Unwanted };
        let (whole, left) = match (call.coming, total) {
            // Of an answer to an earlier call.
            (None, 0) => return Part::Unwanted,
            (None, total) if total > self.value_bytes => {
                let failure = self.too_large("ToolResultTooLarge", "the result is", total);
                return self.refuse(call_id, failure);
            }
            (None, total) => (total, total),
            (Some(coming), 0) => coming,
            (Some(_), _) => return self.refuse(call_id, ToolFailure::new("BadAnswer", "the answer began twice")),
        };
        let Some(left) = left.checked_sub(length as u64) else {
            return self.refuse(call_id, ToolFailure::new("BadAnswer", "the answer is longer than was announced"));
        };
        if left > 0 {
            self.set_coming(call_id, (whole, left));
        } else if let Some(call) = self.remove(call_id) {
            self.close(&call, ToolCallStatus::Ok, "");
        }
        Part::Pass { total: whole }
    }

    fn set_coming(&mut self, call_id: u64, coming: (u64, u64)) {
        if let Some(call) = self.live.get_mut(&call_id) {
            self.coming += usize::from(call.coming.replace(coming).is_none());
        }
    }

    fn refuse(&mut self, call_id: u64, failure: ToolFailure) -> Part {
        if let Some(call) = self.remove(call_id) {
            self.close(&call, ToolCallStatus::Error, &failure.message);
        }
        Part::Refuse(failure)
    }

    fn remove(&mut self, call_id: u64) -> Option<LiveCall> {
        let call = self.live.remove(&call_id)?;
        self.coming -= usize::from(call.coming.is_some());
        Some(call)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.live.values().filter_map(LiveCall::deadline).min()
    }

    /// The calls whose time is up, and what the guest is to be told of each.
    pub(crate) fn expire(&mut self) -> Vec<(u64, ToolFailure)> {
        let now = Instant::now();
        let mut late: Vec<u64> = self
            .live
            .iter()
            .filter(|(_, call)| call.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(call_id, _)| *call_id)
            .collect();
        late.sort_unstable();
        late.into_iter().filter_map(|call_id| Some((call_id, self.give_up(call_id)?))).collect()
    }

    fn give_up(&mut self, call_id: u64) -> Option<ToolFailure> {
        let call = self.remove(call_id)?;
        let name = self.records.get(call.record).map(|record| record.name.clone()).unwrap_or_default();
        let Timeout { length, is_own } = call.timeout;
        let whose = if is_own { "the tool's own timeout" } else { "limits.tool_timeout" };
        let message = format!("tool_timeout: `{name}` did not answer within {} s ({whose})", length.as_secs_f64());
        self.close(&call, ToolCallStatus::Timeout, &message);
        Some(ToolFailure::new("ToolTimeout", message))
    }

    /// Ends every pending call; gives their ids.
    pub(crate) fn abandon(&mut self) -> Vec<u64> {
        let live = std::mem::take(&mut self.live);
        self.coming = 0;
        for call in live.values() {
            self.close(call, ToolCallStatus::Abandoned, "the execution ended before the tool answered");
        }
        let mut ids: Vec<u64> = live.into_keys().collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn into_records(self) -> Vec<ToolCallRecord> {
        self.records
    }

    fn record(&mut self, name: &str, arguments: &[u8], error: &str) -> usize {
        self.records.push(ToolCallRecord {
            name: shortened(name, 200),
            arguments: arguments[..arguments.len().min(RECORDED_ARGUMENT_BYTES)].to_vec(),
            status: ToolCallStatus::Error,
            duration: Duration::ZERO,
            error: error.to_owned(),
        });
        self.records.len() - 1
    }

    fn close(&mut self, call: &LiveCall, status: ToolCallStatus, error: &str) {
        if let Some(record) = self.records.get_mut(call.record) {
            record.status = status;
            record.duration = call.since.elapsed();
            record.error = shortened(error, 1000);
        }
    }

    fn unknown(&mut self, name: &str) -> (ToolFailure, Violation) {
        let name = escaped(&shortened(name, 200));
        self.suggested = self.suggested.saturating_add(1);
        let near = match self.suggested <= SUGGESTIONS {
            true => nearest(&name, self.timeouts.keys().map(String::as_str)).map(str::to_owned),
            false => None,
        };
        let failure = ToolFailure {
            suggestions: near.into_iter().collect(),
            ..ToolFailure::new("ToolNotFound", format!("unauthorized_tool: {name}"))
        };
        (failure, violation("unauthorized_tool", name))
    }

    /// Not recorded one by one: the list would grow as long as the code likes.
    fn too_many(&self) -> Decision {
        let message = format!("more than {} tool calls (limits.max_tool_calls)", self.most_calls);
        // Said once; the code may go on trying.
        let first = self.calls == self.most_calls.saturating_add(1);
        let violation = first.then(|| violation("tool_call_limit", message.clone()));
        Decision::Refuse { failure: ToolFailure::new("ToolCallLimitExceeded", message), violation }
    }

    fn too_large(&self, kind: &str, what: &str, bytes: u64) -> ToolFailure {
        let most = self.value_bytes;
        ToolFailure::new(kind, format!("{what} {bytes} bytes long; at most {most} are allowed (limits.value_bytes)"))
    }
}

fn violation(kind: &str, detail: String) -> Violation {
    Violation { kind: kind.into(), detail, source: ViolationSource::Supervisor }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
