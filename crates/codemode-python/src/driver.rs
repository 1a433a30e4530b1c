//! Who drives the connection.
//!
//! A thread that waits for its own answer drives it meanwhile, and so does a worker between two calls of tools: a
//! message need not wake one thread to be read and another to be acted on (leader and followers). The thread
//! `codemode-io` drives where none of them does, and whenever there is more than one execution, so that none waits for
//! the other's tools. While there is none it only looks now and then, so that the next one finds the lead free.

use std::{
    future::Future,
    io, mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
    task::yield_now,
    time::sleep,
};

/// How long nobody drives after an execution: the next one may drive itself.
const BETWEEN: Duration = Duration::from_millis(50);
/// How long nobody drives then, from one look to the next. Pings wait as long, and an executor that wants to stop.
const IDLE: Duration = Duration::from_millis(500);
/// How long such a look is.
const LOOK: Duration = Duration::from_millis(1);
/// How long nobody drives while a worker runs a tool; twice this at most. Most tools are done by then, and drive on.
pub(crate) const QUICK: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// Waits for its own answer.
    Caller,
    /// Waits for the next call.
    Worker,
    /// Of last resort.
    Thread,
}

pub(crate) struct Driver {
    pub(crate) handle: Handle,
    state: Mutex<State>,
    /// Wakes the thread, and who waits for the end.
    changed: Condvar,
    /// Makes the leader look whether it is to leave.
    nudge: Notify,
    /// This is a forked child: the threads do not exist here, and the descriptors are the parent's.
    forked: AtomicBool,
}

struct State {
    /// Until the end.
    runtime: Option<Arc<Runtime>>,
    leader: Option<Role>,
    /// How often the lead changed hands.
    turns: u64,
    /// When it did so last.
    since: Instant,
    /// Executions, and what else is asked of the executor.
    open: usize,
    /// Calls that wait for a worker, or have one.
    calls: usize,
    /// That the only call came after the leader took its seat.
    is_fresh: bool,
    /// Who left the lead to the workers, and takes it back where a tool takes its time.
    guard: Option<Role>,
    /// That the thread is to lead as soon as it can.
    wanted: bool,
    /// That the thread looked since the last execution.
    looked: bool,
    stopped: bool,
    ended: bool,
}

impl Driver {
    pub(crate) fn start() -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let driver = Arc::new(Self {
            handle: runtime.handle().clone(),
            state: Mutex::new(State {
                runtime: Some(runtime),
                leader: None,
                turns: 0,
                since: Instant::now(),
                open: 0,
                calls: 0,
                is_fresh: false,
                guard: None,
                wanted: false,
                looked: false,
                stopped: false,
                ended: false,
            }),
            changed: Condvar::new(),
            nudge: Notify::new(),
            forked: AtomicBool::new(false),
        });
        let own = Arc::clone(&driver);
        let thread = std::thread::Builder::new().name("codemode-io".into()).spawn(move || own.serve())?;
        Ok((driver, thread))
    }

    /// Something is asked of the executor, until this is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        let mut state = self.lock();
        state.open += 1;
        state.looked = false;
        Open(Arc::clone(self))
    }

    /// A call wants a worker, or has one, until this is dropped.
    pub(crate) fn call(self: &Arc<Self>) -> Call {
        let mut state = self.lock();
        state.calls += 1;
        state.is_fresh = state.is_quiet() && state.calls == 1;
        if state.is_fresh {
            self.nudge();
        }
        Call(Arc::clone(self))
    }

    /// The lead, where it is free and for this role to take.
    pub(crate) fn lead(&self, role: Role) -> Option<Lead<'_>> {
        let mut state = self.lock_here()?;
        let may = state.is_quiet()
            && match role {
                Role::Worker => state.guard.is_some() && state.calls == 0,
                Role::Caller | Role::Thread => state.guard.is_none(),
            };
        if may { self.take(&mut state, role) } else { None }
    }

    /// The lead for a caller that guards it, where nobody had it since the caller looked last.
    pub(crate) fn regain(&self, seen: &mut u64) -> Option<Lead<'_>> {
        let mut state = self.lock_here()?;
        let is_stale = mem::replace(seen, state.turns) == state.turns;
        if is_stale && state.guard == Some(Role::Caller) { self.take(&mut state, Role::Caller) } else { None }
    }

    /// Whether a caller has to look after the lead.
    pub(crate) fn is_guarded_by_caller(&self) -> bool {
        self.lock_here().is_some_and(|state| state.guard == Some(Role::Caller))
    }

    /// The caller cannot look after the lead any more.
    pub(crate) fn resign(&self) {
        let Some(mut state) = self.lock_here() else { return };
        if state.guard == Some(Role::Caller) {
            state.guard = Some(Role::Thread);
            self.changed.notify_all();
        }
    }

    /// Sees to it that what was just spawned from elsewhere runs.
    pub(crate) fn ensure(&self) {
        let mut state = self.lock();
        match state.leader {
            None => {
                state.wanted = true;
                self.changed.notify_all();
            }
            // Its tool must not hold up the others.
            Some(Role::Worker) => {
                state.wanted = true;
                self.nudge();
            }
            Some(Role::Caller | Role::Thread) => {}
        }
    }

    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Until it is over, or the leader is to leave.
    pub(crate) async fn until<T>(&self, role: Role, mut over: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(value) = over() {
                return Some(value);
            }
            if self.leaves(role) {
                return None;
            }
            self.nudge.notified().await;
        }
    }

    /// Ends the runtime, here or in its leader, and the thread.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        let is_led = state.leader.is_some();
        drop(state);
        self.changed.notify_all();
        if is_led { self.nudge() } else { self.end() }
    }

    /// After `stop`.
    pub(crate) fn wait_for_end(&self) {
        let state = self.lock();
        drop(self.changed.wait_while(state, |state| !state.ended).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn after_fork_in_child(&self) {
        self.forked.store(true, Ordering::Relaxed);
    }

    fn leaves(&self, role: Role) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return true;
        }
        if role == Role::Worker {
            return state.guard.is_none() || !state.is_quiet();
        }
        if mem::take(&mut state.is_fresh) && state.is_quiet() && state.calls == 1 {
            state.guard = Some(role);
            return true;
        }
        role == Role::Thread && state.open == 0
    }

    fn serve(&self) {
        let mut seen = 0;
        while let Some(lead) = self.turn(&mut seen) {
            lead.block_on(async {
                if self.looks() {
                    sleep(LOOK).await;
                }
                self.until(Role::Thread, || None::<()>).await;
                // What the last execution left: that it was cancelled is still to be sent.
                for _ in 0..2 {
                    yield_now().await;
                }
            });
        }
    }

    /// Whether the thread only looks.
    fn looks(&self) -> bool {
        let mut state = self.lock();
        state.looked = state.open == 0;
        state.looked
    }

    /// Waits for the thread's turn to lead; `None` at the end.
    fn turn(&self, seen: &mut u64) -> Option<Lead<'_>> {
        let mut state = self.lock();
        while !state.stopped {
            let is_stale = mem::replace(seen, state.turns) == state.turns;
            let is_due = match state.open {
                0 => state.since.elapsed() >= state.patience(),
                _ => is_stale && state.guard != Some(Role::Caller),
            };
            if (state.wanted || is_due)
                && let Some(lead) = self.take(&mut state, Role::Thread)
            {
                return Some(lead);
            }
            let is_guard = state.guard == Some(Role::Thread);
            if is_guard && state.leader == Some(Role::Worker) && state.since.elapsed() >= BETWEEN {
                // The code calls no tools for now: to look every millisecond whether it does costs more than it saves.
                state.wanted = true;
                self.nudge();
            }
            let pause = if is_guard { QUICK } else { state.patience() };
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn take(&self, state: &mut State, role: Role) -> Option<Lead<'_>> {
        if state.stopped || state.leader.is_some() {
            return None;
        }
        let runtime = state.runtime.clone()?;
        state.leader = Some(role);
        state.turns += 1;
        state.since = Instant::now();
        if role != Role::Worker {
            (state.guard, state.is_fresh) = (None, false);
        }
        state.wanted &= role != Role::Thread;
        Some(Lead { runtime, _seat: Seat(self) })
    }

    fn release(&self) {
        let mut state = self.lock();
        state.leader = None;
        state.turns += 1;
        state.since = Instant::now();
        if state.stopped {
            drop(state);
            return self.end();
        }
        if state.open == 0 || state.calls > 1 || !state.is_quiet() {
            state.guard = None;
        }
        state.wanted |= state.open > 0 && state.guard.is_none();
        if state.wanted {
            self.changed.notify_all();
        }
    }

    /// Drops every task that is left.
    fn end(&self) {
        let runtime = self.lock().runtime.take();
        if let Some(runtime) = runtime.and_then(Arc::into_inner) {
            runtime.shutdown_background();
            self.lock().ended = true;
            self.changed.notify_all();
        }
    }

    /// For threads that may have forked: in the child somebody may hold the lock who is not there.
    fn lock_here(&self) -> Option<MutexGuard<'_, State>> {
        if self.forked.load(Ordering::Relaxed) { None } else { Some(self.lock()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is one execution only, and the thread is not to lead.
    fn is_quiet(&self) -> bool {
        self.open == 1 && !self.wanted && !self.stopped
    }

    /// Of the thread, between two looks.
    fn patience(&self) -> Duration {
        if self.looked { IDLE } else { BETWEEN }
    }
}

/// The right to drive what runs on the connection, in this thread.
pub(crate) struct Lead<'a> {
    // Before the seat is given up.
    runtime: Arc<Runtime>,
    _seat: Seat<'a>,
}

impl Lead<'_> {
    pub(crate) fn block_on<T>(self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

struct Seat<'a>(&'a Driver);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

pub(crate) struct Open(Arc<Driver>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        if state.open == 0 {
            state.guard = None;
            self.0.nudge();
        }
    }
}

pub(crate) struct Call(Arc<Driver>);

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(mut state) = self.0.lock_here() {
            state.calls -= 1;
        }
    }
}
