//! The application's Python as the client's tools and output sink. Nothing here runs Python: the pool does.

use std::sync::Arc;

use bytes::Bytes;
use codemode_client::{OutputSink, ToolCall, ToolFuture, ToolHost};
use codemode_types::{OutputStream, ToolFailure, ToolSpec};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyTuple},
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::pool::{Job, Pool};

type Answer = Result<Vec<u8>, ToolFailure>;

/// The tools of one execution.
pub(crate) struct Host {
    pub(crate) specs: Vec<ToolSpec>,
    pub(crate) dispatch: Arc<Py<PyAny>>,
    pub(crate) pool: Arc<Pool>,
}

impl ToolHost for Host {
    fn specs(&self) -> Vec<ToolSpec> {
        self.specs.clone()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        let (reply, answer) = oneshot::channel();
        let (dispatch, pool) = (Arc::clone(&self.dispatch), Arc::clone(&self.pool));
        let pending = Pending { dispatch: Arc::clone(&dispatch), pool, call_id: call.call_id, answered: false };
        self.pool.push(Call { dispatch, call, reply });
        Box::pin(async move {
            let answer = answer.await;
            pending.settle();
            answer.unwrap_or_else(|_| Err(ToolFailure::new("RuntimeError", "the call was lost")))
        })
    }
}

/// Tells the dispatcher when nobody waits for a call any more.
struct Pending {
    dispatch: Arc<Py<PyAny>>,
    pool: Arc<Pool>,
    call_id: u64,
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
            self.pool.push(Abandon { dispatch: Arc::clone(&self.dispatch), call_id: self.call_id });
        }
    }
}

struct Call {
    dispatch: Arc<Py<PyAny>>,
    call: ToolCall,
    reply: oneshot::Sender<Answer>,
}

impl Job for Call {
    fn is_stale(&self) -> bool {
        self.reply.is_closed()
    }

    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let ToolCall { execution_id, call_id, name, arguments, .. } = &self.call;
        let arguments = (execution_id.as_str(), *call_id, name, PyBytes::new(py, arguments)).into_pyobject(py)?;
        Ok((self.dispatch.bind(py).clone(), arguments))
    }

    fn done(self: Box<Self>, _: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) {
        // A dispatcher never raises; should it, the code sees a failed call and not a lost one.
        let answer = answer.and_then(|answer| read(&answer));
        let answer = answer.unwrap_or_else(|error| Err(ToolFailure::new("RuntimeError", error.to_string())));
        let _ = self.reply.send(answer);
    }
}

/// `(True, value)` or `(False, failure)`.
fn read(answer: &Bound<'_, PyAny>) -> PyResult<Answer> {
    let (succeeded, bytes): (bool, Bound<'_, PyBytes>) = answer.extract()?;
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
}

impl Job for Abandon {
    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let abandon = self.dispatch.bind(py).getattr("abandon")?;
        Ok((abandon, (self.call_id,).into_pyobject(py)?))
    }

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) {
        unraisable(py, answer, &self.dispatch);
    }
}

/// Hands output to `on_output`, one chunk after the other: the executor waits for a slow one.
pub(crate) struct Sink {
    pub(crate) on_output: Option<Arc<Py<PyAny>>>,
    pub(crate) pool: Arc<Pool>,
}

impl OutputSink for Sink {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        let Some(on_output) = &self.on_output else { return };
        let (reply, taken) = oneshot::channel();
        self.pool.push(Chunk { on_output: Arc::clone(on_output), stream, data, reply });
        let _ = taken.await;
    }
}

struct Chunk {
    on_output: Arc<Py<PyAny>>,
    stream: OutputStream,
    data: Bytes,
    reply: oneshot::Sender<()>,
}

impl Job for Chunk {
    fn is_stale(&self) -> bool {
        self.reply.is_closed()
    }

    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let number = match self.stream {
            OutputStream::Stdout => 1,
            OutputStream::Stderr => 2,
        };
        Ok((self.on_output.bind(py).clone(), (number, PyBytes::new(py, &self.data)).into_pyobject(py)?))
    }

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) {
        unraisable(py, answer, &self.on_output);
        let _ = self.reply.send(());
    }
}

/// There is no caller to raise it to.
pub(crate) fn unraisable(py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>, function: &Py<PyAny>) {
    if let Err(error) = answer {
        error.write_unraisable(py, Some(function.bind(py)));
    }
}
