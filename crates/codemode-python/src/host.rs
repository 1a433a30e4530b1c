//! The application's tools as the client sees them. Nothing here runs Python: the pools do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codemode_client::{ToolCall, ToolFuture, ToolHost};
use codemode_types::{ToolFailure, ToolSpec};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    driver::Call,
    pool::{Job, Lanes, News, unraisable},
};

/// Workers that the calls of one execution hold at once: hostile code must leave the others theirs. Further calls wait
/// here, and their `tool_timeout` runs. A call that awaits holds none.
const WORKERS_PER_EXECUTION: usize = 32;

type Answer = Result<Vec<u8>, ToolFailure>;

/// The tools of one execution.
pub(crate) struct Host {
    specs: Vec<ToolSpec>,
    dispatch: Arc<Py<PyAny>>,
    lanes: Arc<Lanes>,
    workers: Arc<Semaphore>,
}

impl Host {
    pub(crate) fn new(specs: Vec<ToolSpec>, dispatch: Py<PyAny>, lanes: Arc<Lanes>) -> Self {
        let workers = Arc::new(Semaphore::new(WORKERS_PER_EXECUTION));
        Self { specs, dispatch: Arc::new(dispatch), lanes, workers }
    }
}

impl ToolHost for Host {
    fn specs(&self) -> Vec<ToolSpec> {
        self.specs.clone()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        let (dispatch, lanes) = (Arc::clone(&self.dispatch), Arc::clone(&self.lanes));
        let workers = Arc::clone(&self.workers);
        Box::pin(async move {
            let call_id = call.call_id;
            let clock = call.hold.clone();
            let pending = Pending { dispatch: Arc::clone(&dispatch), lanes, call_id, clock, answered: false };
            let answer = answer(&pending.lanes, workers, Work::Call { dispatch, call }).await;
            pending.settle();
            answer.unwrap_or_else(|| Err(ToolFailure::new("RuntimeError", "the call was lost")))
        })
    }
}

/// In one worker, or in a second one after something was awaited.
async fn answer(lanes: &Lanes, workers: Arc<Semaphore>, mut work: Work) -> Option<Answer> {
    loop {
        let permit = Arc::clone(&workers).acquire_owned().await.ok()?;
        let (reply, next) = oneshot::channel();
        let reply = Reply(Arc::new(Mutex::new(Some(reply))));
        lanes.calls.push(Step { work, reply, _call: lanes.driver.call(), _permit: permit });
        match next.await.ok()? {
            Next::Answer(answer) => return Some(answer),
            Next::Resume(function) => work = Work::Resume(function),
        }
    }
}

/// Tells the dispatcher when nobody waits for a call any more.
struct Pending {
    dispatch: Arc<Py<PyAny>>,
    lanes: Arc<Lanes>,
    call_id: u64,
    clock: codemode_client::Hold,
    answered: bool,
}

impl Pending {
    fn settle(mut self) {
        self.answered = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let timed_out = self.clock.timed_out();
            self.lanes.reports.push(Abandon { dispatch: Arc::clone(&self.dispatch), call_id: self.call_id, timed_out });
        }
    }
}

enum Work {
    Call { dispatch: Arc<Py<PyAny>>, call: ToolCall },
    Resume(Py<PyAny>),
}

enum Next {
    Answer(Answer),
    Resume(Py<PyAny>),
}

/// The first word counts.
#[derive(Clone)]
struct Reply(Arc<Mutex<Option<oneshot::Sender<Next>>>>);

impl Reply {
    fn send(&self, next: Next) {
        let sender = self.lock().take();
        if let Some(sender) = sender {
            let _ = sender.send(next);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<oneshot::Sender<Next>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a worker does for a call.
struct Step {
    work: Work,
    reply: Reply,
    _call: Call,
    _permit: OwnedSemaphorePermit,
}

impl Job for Step {
    fn is_stale(&self) -> bool {
        self.reply.lock().as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (dispatch, call) = match &self.work {
            Work::Call { dispatch, call } => (dispatch, call),
            Work::Resume(function) => return Ok((function.bind(py).clone(), PyTuple::empty(py))),
        };
        let ToolCall { execution_id, call_id, name, arguments, value_bytes, bytes_behind, hold, .. } = call;
        let arguments = PyBytes::new(py, arguments);
        let resume = Bound::new(py, Resume(self.reply.clone()))?;
        let hold = Bound::new(py, Hold(hold.clone()))?;
        let id = execution_id.as_str();
        let arguments = (id, *call_id, name, arguments, *value_bytes, resume, hold, *bytes_behind).into_pyobject(py)?;
        Ok((dispatch.bind(py).clone(), arguments))
    }

    fn done(self: Box<Self>, _: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) -> Option<News> {
        let answer = match answer {
            // It awaits something, and will be resumed.
            Ok(none) if none.is_none() => return None,
            Ok(answer) => read(&answer),
            Err(error) => Err(error),
        };
        // A dispatcher never raises; should it, the code sees a failed call and not a lost one.
        let answer = answer.unwrap_or_else(|error| Err(ToolFailure::new("RuntimeError", error.to_string())));
        let reply = self.reply.clone();
        Some(Box::new(move || reply.send(Next::Answer(answer))))
    }
}

/// Takes the function that has the answer once there is one; it is called in a worker.
#[pyclass(frozen)]
struct Resume(Reply);

#[pymethods]
impl Resume {
    fn __call__(&self, function: Py<PyAny>) {
        self.0.send(Next::Resume(function));
    }
}

/// Stops the clock of a call, or lets it go on.
#[pyclass(frozen)]
struct Hold(codemode_client::Hold);

#[pymethods]
impl Hold {
    fn __call__(&self, held: bool) {
        self.0.set(held);
    }
}

/// `(True, value)` or `(False, failure)`; the value may be a list of parts.
fn read(answer: &Bound<'_, PyAny>) -> PyResult<Answer> {
    let (succeeded, encoded): (bool, Bound<'_, PyAny>) = answer.extract()?;
    if let Ok(parts) = encoded.cast::<PyList>() {
        let parts: Vec<Bound<'_, PyBytes>> = parts.extract()?;
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        return Ok(Ok(parts.concat()));
    }
    let bytes = encoded.cast::<PyBytes>()?;
    Ok(match succeeded {
        true => Ok(bytes.as_bytes().to_vec()),
        false => Err(failure(bytes.as_bytes())),
    })
}

fn failure(json: &[u8]) -> ToolFailure {
    let given: Value = serde_json::from_slice(json).unwrap_or_default();
    let text = |key: &str| given[key].as_str().unwrap_or_default().to_string();
    let texts = |key: &str| {
        let items = given[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(String::from).collect()
    };
    ToolFailure {
        kind: text("type"),
        message: text("message"),
        valid_parameters: texts("valid_parameters"),
        suggestions: texts("suggestions"),
    }
}

struct Abandon {
    dispatch: Arc<Py<PyAny>>,
    call_id: u64,
    timed_out: bool,
}

impl Job for Abandon {
    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let abandon = self.dispatch.bind(py).getattr("abandon")?;
        Ok((abandon, (self.call_id, self.timed_out).into_pyobject(py)?))
    }

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) -> Option<News> {
        unraisable(py, answer, &self.dispatch);
        None
    }
}
