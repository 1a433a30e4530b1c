//! How much may be done about one value.
//!
//! The value is hostile: it may nest deeply and hold millions of members, and a recursive schema with alternatives
//! multiplies both. So every look at a member is counted, and when the count is used up everything looks empty, which
//! ends the validator's work where it stands. Whoever counts asks `is_spent` before it believes what came out.

use std::cell::Cell;

/// Deeper than any value travels.
const MAX_DEPTH: u16 = 400;
const VERDICT_STEPS: u64 = 20_000_000;
const EXPLANATION_STEPS: u64 = 2_000_000;
/// Each holds its two paths, and those of alternatives hold others.
const EXPLANATION_ERRORS: u64 = 10_000;
/// Of the names on the way to a member, while errors are made: each holds its whole path as text.
const MAX_PATH: usize = 16 << 10;
/// Bytes of text that count as one more.
const PER_STEP: usize = 16;

/// What one pass may still do.
pub(super) struct Work {
    steps: Cell<u64>,
    errors: Cell<u64>,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Verdict,
    Explanation,
    /// The value is a name, which its error must quote: it is nowhere else.
    Name,
}

impl Work {
    pub(super) fn for_verdict() -> Self {
        Self { steps: Cell::new(VERDICT_STEPS), errors: Cell::new(0), purpose: Purpose::Verdict }
    }

    pub(super) fn for_explanation() -> Self {
        let errors = Cell::new(EXPLANATION_ERRORS);
        Self { steps: Cell::new(EXPLANATION_STEPS), errors, purpose: Purpose::Explanation }
    }

    pub(super) fn for_name() -> Self {
        Self { purpose: Purpose::Name, ..Self::for_explanation() }
    }

    pub(super) fn is_for_name(&self) -> bool {
        self.purpose == Purpose::Name
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }

    /// Whether there is work left for so many steps; if not, for nothing.
    pub(super) fn take(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_sub(steps as u64));
        !self.is_spent()
    }

    /// For a reader of the whole text.
    pub(super) fn take_text(&self, text: &str) -> bool {
        self.take(Self::steps_of(text))
    }

    pub(super) fn steps_of(text: &str) -> usize {
        1 + text.len() / PER_STEP
    }

    /// For a container at this depth, below names of so many bytes.
    pub(super) fn enter(&self, depth: u16, path: usize) -> bool {
        let bearable = depth < MAX_DEPTH && (self.purpose == Purpose::Verdict || path <= MAX_PATH);
        self.take(if bearable { 1 } else { usize::MAX })
    }

    /// Whether the error that is being made, with a path of so many bytes, is among those that count.
    pub(super) fn take_error(&self, path: usize) -> bool {
        let cost = 1 + (path / PER_STEP) as u64;
        if self.errors.get() < cost {
            self.steps.set(0);
        }
        self.errors.set(self.errors.get().saturating_sub(cost));
        !self.is_spent()
    }
}
