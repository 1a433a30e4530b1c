//! The code's own time: wall time less the time with at least one tool call pending.

use std::time::Duration;

use codemode_types::Limits;
use tokio::time::Instant;

/// Two of the longest that Linux has.
const CPU_TICKS: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Code,
    Total,
}

#[derive(Debug)]
pub(crate) struct Clock {
    code_timeout: Duration,
    total_timeout: Duration,
    started: Instant,
    /// Code time of the stretches that are over.
    spent: Duration,
    /// When the present stretch of code time began; `None`: the clock stands.
    running_since: Option<Instant>,
}

impl Clock {
    pub(crate) fn start(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            code_timeout: limits.code_timeout,
            total_timeout: limits.total_timeout,
            started: now,
            spent: Duration::ZERO,
            running_since: Some(now),
        }
    }

    /// The first tool call is pending, or the last one is over.
    pub(crate) fn set_tools_pending(&mut self, pending: bool) {
        match (pending, self.running_since) {
            (true, Some(since)) => {
                self.spent += since.elapsed();
                self.running_since = None;
            }
            (false, None) => self.running_since = Some(Instant::now()),
            _ => {}
        }
    }

    /// When the next of the two deadlines falls, if nothing changes until then.
    pub(crate) fn deadline(&self) -> Instant {
        let total = self.started + self.total_timeout;
        match self.running_since {
            Some(since) => total.min(since + self.code_timeout.saturating_sub(self.spent)),
            None => total,
        }
    }

    pub(crate) fn overdue(&self) -> Option<Overdue> {
        if self.code_time() >= self.code_timeout {
            return Some(Overdue::Code);
        }
        (self.wall() >= self.total_timeout).then_some(Overdue::Total)
    }

    /// Whether the code's time is over but for what the kernel's account of CPU time may be ahead of it: the account is
    /// kept in ticks, and rounds up.
    pub(crate) fn is_nearly_over(&self) -> bool {
        self.code_time() + CPU_TICKS.max(self.code_timeout / 50) >= self.code_timeout
    }

    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn code_time(&self) -> Duration {
        self.spent + self.running_since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn clock(code: u64, total: u64) -> Clock {
        let (code_timeout, total_timeout) = (seconds(code), seconds(total));
        Clock::start(&Limits { code_timeout, total_timeout, ..Limits::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn time_with_a_call_pending_is_not_the_codes_own() {
        let mut clock = clock(10, 100);
        advance(seconds(4)).await;
        clock.set_tools_pending(true);
        clock.set_tools_pending(true); // a second call: nothing changes
        advance(seconds(50)).await;
        assert_eq!((clock.code_time(), clock.wall()), (seconds(4), seconds(54)));
        assert_eq!(clock.overdue(), None);
        clock.set_tools_pending(false);
        assert_eq!(clock.deadline(), Instant::now() + seconds(6));
        advance(seconds(6)).await;
        assert_eq!(clock.overdue(), Some(Overdue::Code));
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_runs_whatever_happens() {
        let mut clock = clock(10, 20);
        clock.set_tools_pending(true);
        assert_eq!(clock.deadline(), Instant::now() + seconds(20));
        advance(seconds(20)).await;
        assert_eq!(clock.overdue(), Some(Overdue::Total));
        assert_eq!(clock.code_time(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_or_a_fiftieth_before_its_end_the_time_is_nearly_over() {
        for (timeout, before) in [(Duration::from_millis(300), 20), (seconds(10), 200)] {
            let clock = Clock::start(&Limits { code_timeout: timeout, ..Limits::default() });
            advance(timeout - Duration::from_millis(before + 1)).await;
            assert!(!clock.is_nearly_over());
            advance(Duration::from_millis(1)).await;
            assert!(clock.is_nearly_over());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn code_that_is_over_its_time_is_overdue_however_often_it_calls() {
        let mut clock = clock(10, 1000);
        for _ in 0..10 {
            assert_eq!(clock.overdue(), None);
            advance(seconds(1)).await;
            clock.set_tools_pending(true);
            advance(seconds(5)).await;
            clock.set_tools_pending(false);
        }
        assert_eq!(clock.overdue(), Some(Overdue::Code));
    }
}
