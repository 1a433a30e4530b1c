use std::sync::Arc;

use bytes::Bytes;
use codemode_client::OutputSink;
use codemode_types::OutputStream;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyTuple},
};
use tokio::sync::oneshot;

use crate::pool::{Job, Lanes, News, unraisable};

/// Hands output to `on_output`, one chunk after the other: the executor waits for a slow one.
pub(crate) struct Sink {
    pub(crate) on_output: Option<Arc<Py<PyAny>>>,
    pub(crate) lanes: Arc<Lanes>,
}

impl OutputSink for Sink {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        let Some(on_output) = &self.on_output else { return };
        let (reply, taken) = oneshot::channel();
        self.lanes.output.push(Chunk { on_output: Arc::clone(on_output), stream, data, reply });
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

    fn done(self: Box<Self>, py: Python<'_>, answer: PyResult<Bound<'_, PyAny>>) -> Option<News> {
        unraisable(py, answer, &self.on_output);
        let _ = self.reply.send(());
        None
    }
}
