//! Large results of tools on their way to the executor: in parts, as fast as the code takes them.

use std::collections::VecDeque;

use bytes::Bytes;
use codemode_proto::{TOOL_RESULT_PART, v1};

/// Those of one execution, one after the other. What is small passes them by.
#[derive(Debug)]
pub(crate) struct Parts {
    credit: u64,
    /// Whether the executor takes parts at all.
    taken: bool,
    waiting: VecDeque<Large>,
}

#[derive(Debug)]
struct Large {
    call_id: u64,
    /// What has not been sent.
    rest: Bytes,
    begun: bool,
}

impl Parts {
    /// `credit`: what the executor announced.
    pub(crate) fn new(credit: u64) -> Self {
        Self { credit, taken: credit > 0, waiting: VecDeque::new() }
    }

    /// Whether a value of this length goes in parts.
    pub(crate) fn carry(&self, length: usize) -> bool {
        self.taken && length > TOOL_RESULT_PART
    }

    pub(crate) fn push(&mut self, call_id: u64, value: Bytes) {
        self.waiting.push_back(Large { call_id, rest: value, begun: false });
    }

    pub(crate) fn add_credit(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_add(bytes);
    }

    /// Nobody waits for this one any more.
    pub(crate) fn forget(&mut self, call_id: u64) {
        self.waiting.retain(|large| large.call_id != call_id);
    }

    /// The next part that there is credit for.
    pub(crate) fn next(&mut self) -> Option<v1::ToolResultPart> {
        let large = self.waiting.front_mut()?;
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let length = large.rest.len().min(TOOL_RESULT_PART);
        // A part is not cut down to what is left of the credit: that would send many small ones.
        if length > credit {
            return None;
        }
        self.credit -= length as u64;
        let total_bytes = if large.begun { 0 } else { large.rest.len() as u64 };
        large.begun = true;
        let part = v1::ToolResultPart { call_id: large.call_id, total_bytes, data: large.rest.split_to(length) };
        if large.rest.is_empty() {
            self.waiting.pop_front();
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(parts: &mut Parts) -> Vec<(u64, u64, usize)> {
        std::iter::from_fn(|| parts.next()).map(|part| (part.call_id, part.total_bytes, part.data.len())).collect()
    }

    #[test]
    fn no_more_is_sent_than_there_is_credit_for() {
        const PART: u64 = TOOL_RESULT_PART as u64;
        let mut parts = Parts::new(2 * PART);
        parts.push(1, vec![0; 2 * TOOL_RESULT_PART + 3].into());
        parts.push(2, vec![0; TOOL_RESULT_PART + 1].into());
        let whole = [(1, 2 * PART + 3, TOOL_RESULT_PART), (1, 0, TOOL_RESULT_PART)];
        assert_eq!(sent(&mut parts), whole);
        parts.add_credit(PART + 2);
        assert_eq!(sent(&mut parts), [(1, 0, 3)]);
        parts.add_credit(2 * PART);
        assert_eq!(sent(&mut parts), [(2, PART + 1, TOOL_RESULT_PART), (2, 0, 1)]);
    }

    #[test]
    fn what_nobody_waits_for_is_not_sent() {
        let mut parts = Parts::new(TOOL_RESULT_PART as u64);
        parts.push(1, vec![0; 2 * TOOL_RESULT_PART].into());
        assert_eq!(sent(&mut parts).len(), 1);
        parts.forget(1);
        parts.add_credit(TOOL_RESULT_PART as u64);
        assert_eq!(sent(&mut parts), []);
    }

    #[test]
    fn an_executor_that_takes_no_parts_gets_none() {
        assert!(!Parts::new(0).carry(1 << 30));
        assert!(!Parts::new(1).carry(TOOL_RESULT_PART));
        assert!(Parts::new(1).carry(TOOL_RESULT_PART + 1));
    }
}
