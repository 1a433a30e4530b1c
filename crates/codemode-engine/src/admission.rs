//! How many executions run at once, and how many may wait, with how many bytes; first come first served.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codemode_types::{ByteSize, ErrorCode, Rejection};
use tokio::sync::oneshot;

/// Of code, values and tools that wait together. A queue of large requests must not become the daemon's memory.
const MOST_WAITING: ByteSize = ByteSize::mib(256);

#[derive(Debug)]
pub(crate) struct Admission {
    places: usize,
    queue: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
    draining: bool,
}

#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<Place>,
    bytes: u64,
}

/// The right to run, given back on drop.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Admission>>);

/// Dropping it while it waits leaves the queue.
#[derive(Debug)]
pub(crate) enum Entry {
    Now(Place),
    Later(oneshot::Receiver<Place>),
}

impl Place {
    /// One that is taken from nobody.
    pub(crate) fn besides() -> Self {
        Self(None)
    }
}

impl Admission {
    pub(crate) fn new(places: usize, queue: usize) -> Arc<Self> {
        let state = State { free: places, waiting: VecDeque::new(), draining: false };
        Arc::new(Self { places, queue, state: Mutex::new(state) })
    }

    /// `bytes`: what the request holds while it waits.
    pub(crate) fn enter(self: &Arc<Self>, bytes: u64) -> Result<Entry, Rejection> {
        let mut state = self.lock();
        if state.draining {
            return Err(Rejection::new(ErrorCode::Draining, "this executor is stopping; nothing ran"));
        }
        if state.free > 0 {
            state.free -= 1;
            return Ok(Entry::Now(Place(Some(Arc::clone(self)))));
        }
        state.waiting.retain(|waiting| !waiting.turn.is_closed());
        if state.waiting.len() >= self.queue {
            return Err(Rejection::new(ErrorCode::Overloaded, self.overloaded()));
        }
        let held: u64 = state.waiting.iter().map(|waiting| waiting.bytes).sum();
        if held.saturating_add(bytes) > MOST_WAITING.bytes() {
            return Err(Rejection::new(ErrorCode::Overloaded, self.too_much(state.waiting.len(), held, bytes)));
        }
        let (turn, receiver) = oneshot::channel();
        state.waiting.push_back(Waiting { turn, bytes });
        Ok(Entry::Later(receiver))
    }

    /// Refuses everybody from now on; those who wait still get their turn.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn overloaded(&self) -> String {
        format!(
            "{} executions run and {} wait, which is all this executor takes (max_concurrent_executions, queue); nothing ran",
            self.places, self.queue
        )
    }

    fn too_much(&self, waiting: usize, held: u64, bytes: u64) -> String {
        format!(
            "{} executions run, and {waiting} wait with {held} bytes of code, values and tools; with the {bytes} of this \
             one it would be more than the {MOST_WAITING} that may wait together; nothing ran",
            self.places
        )
    }

    fn give_back(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some(next) = state.waiting.pop_front() {
            match next.turn.send(Place(Some(Arc::clone(self)))) {
                Ok(()) => return,
                Err(mut place) => drop(place.0.take()),
            }
        }
        state.free += 1;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(admission) = self.0.take() {
            admission.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(entry: Result<Entry, Rejection>) -> Place {
        match entry {
            Ok(Entry::Now(place)) => place,
            other => panic!("{other:?}"),
        }
    }

    fn later(entry: Result<Entry, Rejection>) -> oneshot::Receiver<Place> {
        match entry {
            Ok(Entry::Later(waiting)) => waiting,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn places_go_to_the_longest_waiting() {
        let admission = Admission::new(1, 2);
        let first = now(admission.enter(1));
        let mut second = later(admission.enter(1));
        let mut third = later(admission.enter(1));
        assert_eq!(admission.enter(1).unwrap_err().code, ErrorCode::Overloaded);
        drop(first);
        let place = second.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        drop(place);
        assert!(third.try_recv().is_ok());
    }

    #[test]
    fn who_leaves_the_queue_makes_room() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter(1));
        drop(later(admission.enter(1)));
        let mut waiting = later(admission.enter(1));
        drop(first);
        drop(waiting.try_recv().unwrap());
        drop(now(admission.enter(1)));
    }

    #[test]
    fn a_place_given_to_somebody_who_left_is_not_lost() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter(1));
        let waiting = later(admission.enter(1));
        drop(first);
        drop(waiting);
        drop(now(admission.enter(1)));
    }

    #[test]
    fn who_waits_waits_with_few_bytes() {
        let most = MOST_WAITING.bytes();
        let admission = Admission::new(1, 9);
        // Who need not wait is not counted.
        let first = now(admission.enter(10 * most));
        let mut second = later(admission.enter(most - 1));
        let refused = admission.enter(2).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Overloaded);
        assert!(refused.message.contains("256 MiB"), "{}", refused.message);
        let third = later(admission.enter(1));
        drop(first);
        let place = second.try_recv().unwrap();
        let fourth = later(admission.enter(most - 1));
        assert_eq!(admission.enter(u64::MAX).unwrap_err().code, ErrorCode::Overloaded);
        drop((third, fourth));
        drop(later(admission.enter(most)));
        drop(place);
    }

    #[test]
    fn draining_refuses_and_serves_those_who_wait() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter(1));
        let mut waiting = later(admission.enter(1));
        admission.drain();
        assert_eq!(admission.enter(1).unwrap_err().code, ErrorCode::Draining);
        drop(first);
        assert!(waiting.try_recv().is_ok());
    }
}
