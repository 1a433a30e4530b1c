//! What anybody can bring about any number of times is told a few times, and then once in a while with a count.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Told one by one until there is no breath left; one comes back with each `EVERY`.
const BREATH: u32 = 16;
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug)]
struct State {
    breath: u32,
    since: Instant,
    untold: u64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self(Mutex::new(State { breath: BREATH, since: Instant::now(), untold: 0 }))
    }
}

impl Seldom {
    /// How many were not told since the last one that was, if this one is to be told.
    pub(crate) fn turn(&self) -> Option<u64> {
        self.turn_at(Instant::now())
    }

    fn turn_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.duration_since(state.since).as_secs() / EVERY.as_secs();
        if passed > 0 {
            state.breath = u32::try_from(passed).unwrap_or(BREATH).saturating_add(state.breath).min(BREATH);
            state.since = now;
        }
        if state.breath == 0 {
            state.untold += 1;
            return None;
        }
        state.breath -= 1;
        Some(std::mem::take(&mut state.untold))
    }
}

/// For the end of a line.
pub(crate) fn and_untold(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(" (and {count} more since the last such line)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_counted() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        for _ in 0..BREATH {
            assert_eq!(seldom.turn_at(start), Some(0));
        }
        assert_eq!((seldom.turn_at(start), seldom.turn_at(start)), (None, None));
        assert_eq!(seldom.turn_at(start + EVERY), Some(2));
        assert_eq!(seldom.turn_at(start + EVERY), None);
        assert_eq!(seldom.turn_at(start + 1000 * EVERY), Some(1));
        assert_eq!(and_untold(1), " (and 1 more since the last such line)");
    }
}
