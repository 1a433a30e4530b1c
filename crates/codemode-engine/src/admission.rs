//! How many executions run at once, and how many may wait, first come first served.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codemode_types::{ErrorCode, Rejection};
use tokio::sync::oneshot;

#[derive(Debug)]
pub(crate) struct Admission {
    places: usize,
    queue: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Place>>,
    draining: bool,
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

impl Admission {
    pub(crate) fn new(places: usize, queue: usize) -> Arc<Self> {
        let state = State { free: places, waiting: VecDeque::new(), draining: false };
        Arc::new(Self { places, queue, state: Mutex::new(state) })
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entry, Rejection> {
        let mut state = self.lock();
        if state.draining {
            return Err(Rejection::new(ErrorCode::Draining, "this executor is stopping; nothing ran"));
        }
        if state.free > 0 {
            state.free -= 1;
            return Ok(Entry::Now(Place(Some(Arc::clone(self)))));
        }
        state.waiting.retain(|waiting| !waiting.is_closed());
        if state.waiting.len() >= self.queue {
            return Err(Rejection::new(ErrorCode::Overloaded, self.overloaded()));
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
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

    fn give_back(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some(next) = state.waiting.pop_front() {
            match next.send(Place(Some(Arc::clone(self)))) {
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
        let first = now(admission.enter());
        let mut second = later(admission.enter());
        let mut third = later(admission.enter());
        assert_eq!(admission.enter().unwrap_err().code, ErrorCode::Overloaded);
        drop(first);
        let place = second.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        drop(place);
        assert!(third.try_recv().is_ok());
    }

    #[test]
    fn who_leaves_the_queue_makes_room() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter());
        drop(later(admission.enter()));
        let mut waiting = later(admission.enter());
        drop(first);
        drop(waiting.try_recv().unwrap());
        drop(now(admission.enter()));
    }

    #[test]
    fn a_place_given_to_somebody_who_left_is_not_lost() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter());
        let waiting = later(admission.enter());
        drop(first);
        drop(waiting);
        drop(now(admission.enter()));
    }

    #[test]
    fn draining_refuses_and_serves_those_who_wait() {
        let admission = Admission::new(1, 1);
        let first = now(admission.enter());
        let mut waiting = later(admission.enter());
        admission.drain();
        assert_eq!(admission.enter().unwrap_err().code, ErrorCode::Draining);
        drop(first);
        assert!(waiting.try_recv().is_ok());
    }
}
