//! Whether lines can be written: told by the writer, asked by everybody else.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(super) struct Health(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    failing: bool,
    /// Failures so far, by which a further one is noticed.
    failures: u64,
    ended: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Health {
    pub(super) fn works(&self) -> bool {
        !self.0.borrow().failing
    }

    /// The outcome of the next attempt, which `wake` calls for.
    pub(super) async fn works_at_next_try(&self, wake: impl FnOnce()) -> bool {
        let mut states = self.0.subscribe();
        let before = states.borrow_and_update().failures;
        wake();
        let state = states.wait_for(|state| !state.failing || state.failures > before || state.ended).await;
        state.is_ok_and(|state| !state.failing)
    }

    /// Resolves while lines cannot be written.
    pub(super) async fn fails(&self) {
        // Fails only without a sender, and that is here.
        let _ = self.0.subscribe().wait_for(|state| state.failing || state.ended).await;
    }

    pub(super) async fn ended(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.ended).await;
    }

    pub(super) fn written(&self) {
        self.0.send_if_modified(|state| std::mem::take(&mut state.failing));
    }

    pub(super) fn failed(&self) {
        self.0.send_modify(|state| {
            state.failing = true;
            state.failures += 1;
        });
    }

    pub(super) fn end(&self) {
        self.0.send_modify(|state| state.ended = true);
    }
}
