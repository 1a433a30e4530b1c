use std::sync::Arc;

use codemode_client::{CancellationToken, ClientError, ExecutionOutcome, Request};
use codemode_types::ExecutionId;
use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};

use crate::{
    convert,
    engine::Engine,
    host::Host,
    pool::{Job, Lanes, News, unraisable},
    sink::Sink,
};

/// An execution that somebody waits for elsewhere.
#[pyclass(frozen, module = "codemode._native")]
pub(crate) struct NativeExecution {
    #[pyo3(get)]
    execution_id: String,
    token: CancellationToken,
}

#[pymethods]
impl NativeExecution {
    /// `on_done` then gets the report of a cancelled execution.
    fn cancel(&self) {
        self.token.cancel();
    }
}

/// Everything one execution needs, converted.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) host: Arc<Host>,
    pub(crate) sink: Sink,
    pub(crate) correlation_id: String,
}

impl Prepared {
    pub(crate) fn new(
        engine: &Engine,
        raw: &Bound<'_, PyDict>,
        dispatch: Py<PyAny>,
        on_output: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (request, specs) = convert::request(raw)?;
        let correlation_id = request.correlation_id.as_ref().map(ToString::to_string).unwrap_or_default();
        engine.lanes.staff(raw.py(), on_output.is_some())?;
        let host = Arc::new(Host::new(specs, dispatch, Arc::clone(&engine.lanes)));
        let sink = Sink { on_output: on_output.map(Arc::new), lanes: Arc::clone(&engine.lanes) };
        Ok(Self { request, host, sink, correlation_id })
    }
}

/// Runs it in the background.
pub(crate) fn submit(engine: &Engine, prepared: Prepared, on_done: Py<PyAny>) -> NativeExecution {
    let Prepared { request, host, sink, correlation_id } = prepared;
    let execution = NativeExecution {
        execution_id: request.execution_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        token: request.cancel.clone(),
    };
    let id = request.execution_id.clone();
    let mut ending = Ending { on_done: Some(on_done), lanes: Arc::clone(&engine.lanes), correlation_id, id };
    let client = engine.client.clone();
    let open = engine.driver.open();
    engine.driver.handle.spawn(async move {
        let outcome = client.execute_to(request, host, sink).await;
        drop(open);
        ending.deliver(outcome);
    });
    engine.driver.ensure();
    execution
}

/// Calls `on_done` exactly once, also where the task is dropped with its thread.
struct Ending {
    on_done: Option<Py<PyAny>>,
    lanes: Arc<Lanes>,
    correlation_id: String,
    id: Option<ExecutionId>,
}

impl Ending {
    fn deliver(&mut self, outcome: Result<ExecutionOutcome, ClientError>) {
        if let Some(on_done) = self.on_done.take() {
            let correlation_id = std::mem::take(&mut self.correlation_id);
            self.lanes.reports.push(Report { on_done, correlation_id, outcome: Some(outcome) });
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let execution_id = self.id.take();
        self.deliver(Err(ClientError::Closed { execution_id }));
    }
}

struct Report {
    on_done: Py<PyAny>,
    correlation_id: String,
    outcome: Option<Result<ExecutionOutcome, ClientError>>,
}

impl Job for Report {
    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let outcome = self.outcome.take().unwrap_or(Err(ClientError::Closed { execution_id: None }));
        let (raw, error) = match convert::outcome(py, &self.correlation_id, outcome) {
            Ok(raw) => (Some(raw), None),
            Err(error) => (None, Some(error)),
        };
        Ok((self.on_done.bind(py).clone(), (raw, error).into_pyobject(py)?))
    }

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) -> Option<News> {
        unraisable(py, answer, &self.on_done);
        None
    }
}
