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

/// Calls of the application's Python under way at once; further ones wait.
const MAX_WORKERS: usize = 256;
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

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>);
}

/// Runs jobs in Python threads. One thread more than is busy waits, so that no job does.
///
/// Threads are never woken to end: waking one while the interpreter finalises would kill the process.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Job>>,
    workers: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// With its first worker.
    pub(crate) fn start(py: Python<'_>) -> PyResult<Arc<Self>> {
        let pool = Arc::new(Self::default());
        pool.hire(py)?;
        Ok(pool)
    }

    pub(crate) fn push(&self, job: impl Job + 'static) {
        self.lock().queue.push_back(Box::new(job));
        self.filled.notify_one();
    }

    /// Idle workers end by and by. What is queued is still done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    fn hire(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.lock().workers += 1;
        let worker = Worker { pool: Arc::clone(self) };
        let started = module(py)?.call_method1("start", (Bound::new(py, worker)?.getattr("take")?,));
        if started.is_err() {
            self.lock().workers -= 1;
        }
        started.map(drop)
    }

    /// Waits without the GIL. The job and whether another worker is wanted now; `None`: this worker may go.
    fn next(&self) -> Option<(Box<dyn Job>, bool)> {
        let mut state = self.lock();
        state.idle += 1;
        loop {
            if let Some(job) = state.queue.pop_front() {
                if job.is_stale() {
                    continue;
                }
                state.idle -= 1;
                let wanted = state.idle == 0 && state.workers < MAX_WORKERS;
                return Some((job, wanted));
            }
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
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pyclass(frozen)]
struct Worker {
    pool: Arc<Pool>,
}

#[pymethods]
impl Worker {
    /// `(function, arguments, done)` of the next job, or `None`.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        loop {
            let Some((mut job, wanted)) = py.detach(|| self.pool.next()) else { return Ok(None) };
            if wanted && let Err(error) = self.pool.hire(py) {
                // No more threads to be had: this one does what comes, one after the other.
                error.write_unraisable(py, None);
            }
            match job.call(py) {
                Ok((function, arguments)) => {
                    let done = Bound::new(py, Done(Mutex::new(Some(job))))?;
                    return (function, arguments, done).into_pyobject(py).map(Some);
                }
                Err(error) => job.done(py, Err(error)),
            }
        }
    }
}

/// Takes the answer back, once.
#[pyclass(frozen)]
struct Done(Mutex<Option<Box<dyn Job>>>);

#[pymethods]
impl Done {
    fn __call__(&self, py: Python<'_>, answer: Bound<'_, PyAny>, error: Option<Bound<'_, PyAny>>) {
        let job = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job {
            job.done(py, error.map_or(Ok(answer), |error| Err(PyErr::from_value(error))));
        }
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
