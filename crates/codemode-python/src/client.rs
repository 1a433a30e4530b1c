use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use codemode_client::{Client, ClientError};
use pyo3::{
    prelude::*,
    types::{PyDict, PyMapping},
};

use crate::{
    convert,
    engine::Engine,
    errors::raised,
    submit::{NativeExecution, Prepared, submit},
};

/// One executor, remote or embedded.
///
/// The lock is taken only under the GIL and never while it is given up, so that no other thread holds it across a
/// `fork` by Python.
#[pyclass(frozen, module = "codemode._native")]
pub(crate) struct NativeClient(Mutex<State>);

enum State {
    Idle(Client),
    Running(Arc<Engine>),
    Closed,
}

#[pymethods]
impl NativeClient {
    #[staticmethod]
    fn connect(url: String, options: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let options = convert::client_options(url, options)?;
        Client::connect(options).map(Self::of).map_err(|error| raised(&error))
    }

    #[staticmethod]
    fn embedded(options: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let options = convert::embedded_options(options)?;
        Client::embedded(options).map(Self::of).map_err(|error| raised(&error))
    }

    #[pyo3(signature = (request, dispatch, on_output=None))]
    fn execute<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyDict>,
        dispatch: Py<PyAny>,
        on_output: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let engine = self.engine()?;
        let Prepared { request, host, sink, correlation_id } = Prepared::new(&engine, request, dispatch, on_output)?;
        let client = engine.client.clone();
        let outcome = engine.wait(py, async move { client.execute_to(request, host, sink).await })?;
        convert::outcome(py, &correlation_id, outcome)
    }

    #[pyo3(signature = (request, dispatch, on_done, on_output=None))]
    fn submit(
        &self,
        request: &Bound<'_, PyDict>,
        dispatch: Py<PyAny>,
        on_done: Py<PyAny>,
        on_output: Option<Py<PyAny>>,
    ) -> PyResult<NativeExecution> {
        let engine = self.engine()?;
        let prepared = Prepared::new(&engine, request, dispatch, on_output)?;
        Ok(submit(&engine, prepared, on_done))
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let engine = self.engine()?;
        let client = engine.client.clone();
        let info = engine.wait(py, async move { client.info().await })?.map_err(|error| raised(&error))?;
        convert::info(py, &info, engine.client.is_embedded())
    }

    fn prompt(&self, py: Python<'_>, tools: &Bound<'_, PyAny>, environment: Option<String>) -> PyResult<String> {
        let tools = convert::tools(tools)?;
        let engine = self.engine()?;
        let client = engine.client.clone();
        engine
            .wait(py, async move { client.prompt(&tools, environment.as_deref()).await })?
            .map_err(|error| raised(&error))
    }

    fn health(&self, py: Python<'_>) -> PyResult<bool> {
        let engine = self.engine()?;
        let client = engine.client.clone();
        engine.wait(py, async move { client.health().await })?.map_err(|error| raised(&error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let state = mem::replace(&mut *self.state(), State::Closed);
        match state {
            State::Running(engine) => engine.close(py),
            State::Idle(_) | State::Closed => Ok(()),
        }
    }

    fn after_fork_in_child(&self) {
        let mut state = self.state();
        if let State::Running(engine) = &*state {
            engine.driver.after_fork_in_child();
            let idle = State::Idle(engine.client.for_forked_child());
            // Its thread does not exist here, and its descriptors are the parent's too: a destructor would wait for
            // the one or take the others out of the parent's epoll.
            mem::forget(mem::replace(&mut *state, idle));
        }
    }
}

impl NativeClient {
    fn of(client: Client) -> Self {
        Self(Mutex::new(State::Idle(client)))
    }

    fn engine(&self) -> PyResult<Arc<Engine>> {
        let mut state = self.state();
        let client = match &*state {
            State::Running(engine) => return Ok(Arc::clone(engine)),
            State::Closed => return Err(closed()),
            State::Idle(client) => client.clone(),
        };
        let engine = Engine::start(client)?;
        *state = State::Running(Arc::clone(&engine));
        Ok(engine)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Holds a whole value at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> PyErr {
    raised(&ClientError::Closed { execution_id: None })
}
