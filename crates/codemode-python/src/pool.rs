use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyModule, PyTuple},
};

use crate::driver::{Driver, Role};

/// An execution holds a part of these (see `host`), however many calls it makes.
const CALL_WORKERS: usize = 1024;
/// Output callbacks are the application's own and may be slow; an execution has one chunk under way.
const OUTPUT_WORKERS: usize = 256;
/// Enough for what returns at once.
const REPORT_WORKERS: usize = 4;
/// Threads kept for the next calls; the others end once they have idled.
const KEPT_IDLE: usize = 4;
const IDLE: Duration = Duration::from_secs(5);

/// Something to call in Python, and what becomes of the answer. Made without the GIL.
pub(crate) trait Job: Send {
    /// Whether nobody waits any more.
    fn is_stale(&self) -> bool {
        false
    }

    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)>;

    /// What is to be told on the connection then, if anything.
    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) -> Option<News>;
}

/// Tells an answer. Who is about to drive does so as the driver: nobody need be woken for it then.
pub(crate) type News = Box<dyn FnOnce() + Send>;

/// What calls the application's Python, kept apart by how long it may take: no report, and no output, ever waits for
/// a tool.
pub(crate) struct Lanes {
    pub(crate) driver: Arc<Driver>,
    pub(crate) calls: Arc<Pool>,
    pub(crate) output: Arc<Pool>,
    /// That a call was abandoned, that an execution is over.
    pub(crate) reports: Arc<Pool>,
}

impl Lanes {
    pub(crate) fn new(driver: &Arc<Driver>) -> Arc<Self> {
        let pool = |most, driver| Arc::new(Pool { most, driver, ..Pool::default() });
        let calls = pool(CALL_WORKERS, Some(Arc::clone(driver)));
        Arc::new(Self {
            driver: Arc::clone(driver),
            calls,
            output: pool(OUTPUT_WORKERS, None),
            reports: pool(REPORT_WORKERS, None),
        })
    }

    /// Before the first job of an execution: a pool without a worker could not hire one.
    pub(crate) fn staff(&self, py: Python<'_>, output: bool) -> PyResult<()> {
        self.calls.staff(py)?;
        self.reports.staff(py)?;
        if output { self.output.staff(py) } else { Ok(()) }
    }

    /// Idle workers end by and by. What is queued is still done.
    pub(crate) fn close(&self) {
        for pool in [&self.calls, &self.output, &self.reports] {
            pool.lock().closed = true;
        }
    }
}

/// Runs jobs in Python threads. One thread more than is busy waits, so that no job does.
///
/// Threads are never woken to end: waking one while the interpreter finalises would kill the process.
#[derive(Default)]
pub(crate) struct Pool {
    most: usize,
    /// Which a worker drives while it waits for the next job.
    driver: Option<Arc<Driver>>,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Job>>,
    workers: usize,
    idle: usize,
    /// That one of the idle ones drives.
    leads: bool,
    closed: bool,
}

impl Pool {
    pub(crate) fn push(&self, job: impl Job + 'static) {
        let mut state = self.lock();
        state.queue.push_back(Box::new(job));
        // The one that drives takes the first.
        let leads = state.leads && state.queue.len() == 1;
        drop(state);
        match &self.driver {
            Some(driver) if leads => driver.nudge(),
            _ => self.filled.notify_one(),
        }
    }

    /// With its first worker, which stays until the pool is closed.
    fn staff(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let workers = self.lock().workers;
        if workers == 0 { self.hire(py) } else { Ok(()) }
    }

    fn hire(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.lock().workers += 1;
        let worker = Worker { pool: Arc::clone(self), untold: Untold::default() };
        let started = module(py)?.call_method1("start", (Bound::new(py, worker)?.getattr("take")?,));
        if started.is_err() {
            self.lock().workers -= 1;
        }
        started.map(drop)
    }

    /// Tells what came of the last job, and waits without the GIL. The job and whether another worker is wanted now;
    /// `None`: this worker may go.
    fn next(&self, mut news: Option<News>) -> Option<(Box<dyn Job>, bool)> {
        let mut state = self.lock();
        state.idle += 1;
        loop {
            if let Some(job) = state.queue.pop_front() {
                if job.is_stale() {
                    continue;
                }
                state.idle -= 1;
                let wanted = state.idle == 0 && state.workers < self.most;
                drop(state);
                tell(news);
                return Some((job, wanted));
            }
            if let Some(driver) = &self.driver
                && let Some(lead) = driver.lead(Role::Worker)
            {
                state.leads = true;
                drop(state);
                let news = news.take();
                lead.block_on(async {
                    tell(news);
                    driver.until(Role::Worker, || (!self.lock().queue.is_empty()).then_some(())).await
                });
                state = self.lock();
                state.leads = false;
                continue;
            }
            tell(news.take());
            let waited = self.filled.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            let surplus = state.closed || state.idle > KEPT_IDLE;
            if waited.1.timed_out() && surplus && state.queue.is_empty() {
                state.idle -= 1;
                state.workers -= 1;
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(news: Option<News>) {
    if let Some(news) = news {
        news();
    }
}

/// What came of a worker's last job, until the worker asks for the next.
type Untold = Arc<Mutex<Option<News>>>;

#[pyclass(frozen)]
struct Worker {
    pool: Arc<Pool>,
    untold: Untold,
}

#[pymethods]
impl Worker {
    /// `(function, arguments, done)` of the next job, or `None`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut news = lock(&self.untold).take();
        loop {
            let Some((mut job, wanted)) = py.detach(|| self.pool.next(news.take())) else { return Ok(None) };
            if wanted && let Err(error) = self.pool.hire(py) {
                // No more threads to be had: this one does what comes, one after the other.
                error.write_unraisable(py, None);
            }
            match job.call(py) {
                Ok((function, arguments)) => {
                    let done = Bound::new(py, Done { job: Mutex::new(Some(job)), untold: Arc::clone(&self.untold) })?;
                    return (function, arguments, done).into_pyobject(py).map(Some);
                }
                Err(error) => news = job.done(py, Err(error)),
            }
        }
    }
}

/// Takes the answer back, once.
#[pyclass(frozen)]
struct Done {
    job: Mutex<Option<Box<dyn Job>>>,
    untold: Untold,
}

#[pymethods]
impl Done {
    fn __call__(&self, py: Python<'_>, answer: Bound<'_, PyAny>, error: Option<Bound<'_, PyAny>>) {
        let job = lock(&self.job).take();
        if let Some(job) = job {
            *lock(&self.untold) = job.done(py, error.map_or(Ok(answer), |error| Err(PyErr::from_value(error))));
        }
    }
}

/// There is no caller to raise it to.
pub(crate) fn unraisable(py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>, function: &Py<PyAny>) {
    if let Err(error) = answer {
        error.write_unraisable(py, Some(function.bind(py)));
    }
}

fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || {
        const SOURCE: &std::ffi::CStr =
            match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("workers.py"), "\0").as_bytes()) {
                Ok(source) => source,
                Err(_) => c"",
            };
        PyModule::from_code(py, SOURCE, c"codemode/_workers.py", c"codemode._workers").map(Bound::unbind)
    })?;
    Ok(module.bind(py))
}
