//! What a session may use up: bytes altogether, and time without any on each connection.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Bytes to and from destinations, both directions and all connections of a session together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    left: AtomicU64,
    spent: CancellationToken,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, left: AtomicU64::new(limit), spent: CancellationToken::new() }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// How many of `wanted` bytes may pass now. They are taken before they pass, so the limit is never exceeded; what
    /// did not pass is given back. 0 means that the session is over its limit.
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let taken = |left: u64| Some(left - left.min(wanted));
        // The closure never declines, so both arms are the value before.
        let before = match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(before) | Err(before) => before,
        };
        if before == 0 {
            self.spent.cancel();
        }
        before.min(wanted) as usize
    }

    pub(crate) fn give_back(&self, unused: usize) {
        self.left.fetch_add(unused as u64, Ordering::Relaxed);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.spent.is_cancelled()
    }

    /// Ends when somebody wanted a byte and none was left.
    pub(crate) async fn spent(&self) {
        self.spent.cancelled().await;
    }
}

/// When a byte last passed on a connection, on either of its sides.
#[derive(Debug)]
pub(crate) struct Activity {
    start: Instant,
    last: AtomicU64,
    idle: Duration,
}

impl Activity {
    pub(crate) fn new(idle: Duration) -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), idle }
    }

    pub(crate) fn touch(&self) {
        let now = self.start.elapsed().as_millis();
        self.last.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends when no byte has passed for the idle time.
    pub(crate) async fn idle(&self) {
        loop {
            let deadline = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed)) + self.idle;
            if Instant::now() >= deadline {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_to_the_last_byte_and_not_beyond() {
        let budget = Budget::new(100);
        assert_eq!(budget.take(60), 60);
        budget.give_back(10);
        assert_eq!(budget.take(60), 50);
        assert!(!budget.is_spent(), "nobody wanted more yet");
        assert_eq!(budget.take(1), 0);
        assert!(budget.is_spent());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_starts_the_idle_time_again() {
        let (activity, start) = (Activity::new(Duration::from_secs(30)), Instant::now());
        let touching = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                activity.touch();
            }
        };
        tokio::join!(touching, activity.idle());
        let elapsed = start.elapsed().as_secs();
        assert!((230..=231).contains(&elapsed), "{elapsed}");
    }
}
