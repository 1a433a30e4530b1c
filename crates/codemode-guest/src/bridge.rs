//! What executed code's process talks to the daemon with: frames over the one descriptor it was given.

use std::{
    io::{self, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use codemode_sandbox::{
    container::SANDBOX,
    sys::{self, Origin},
};
use codemode_types::{ExecutionFailure, ToolSpec};
use codemode_wire::guest::{Finish, FinishKind, FromGuest, Start, ToGuest};
use pyo3::{
    exceptions::{PyChildProcessError, PyConnectionError, PyEOFError, PyValueError},
    intern,
    prelude::*,
    types::{PyBytes, PyDict},
};
use rustix::process::chdir;

use crate::{
    incoming::{Inbox, Incoming},
    value::Value,
};

/// Blocking calls release the GIL. A forked child of the code holds a copy of this that must not speak: two processes
/// on one stream would mix their frames.
#[pyclass(frozen, module = "_codemode_guest")]
pub(crate) struct Bridge {
    origin: Origin,
    /// `None` in a rehearsal, which the process outlives. What is left of one may live on in the interpreter's memory, so
    /// it holds no descriptor: they are all closed behind its back, and their numbers become others'.
    socket: Option<UnixStream>,
    /// Held while a frame is written: frames of several threads must not mix.
    writing: Mutex<()>,
    reading: Mutex<Inbox>,
    calls: AtomicU64,
    /// Folders that user code may open, for legible refusals.
    roots: Vec<String>,
}

const FIRST_CALL: u64 = 1;

/// A tool that the code of a rehearsal may call, once.
const ECHO: &str = "echo";
const ECHO_SCHEMA: &[u8] = br#"{"properties": {"text": {"type": "string"}}}"#;
const ECHOED: &[u8] = br#"{"text": "hi"}"#;
const REHEARSAL_BYTES: u64 = 1 << 20;

impl Bridge {
    pub(crate) fn new(socket: OwnedFd, roots: Vec<String>) -> io::Result<Self> {
        Self::over(Some(socket.into()), Inbox::new(), roots)
    }

    fn over(socket: Option<UnixStream>, inbox: Inbox, roots: Vec<String>) -> io::Result<Self> {
        Ok(Self {
            origin: Origin::here()?,
            socket,
            writing: Mutex::new(()),
            reading: Mutex::new(inbox),
            calls: AtomicU64::new(FIRST_CALL),
            roots,
        })
    }

    /// For a run in advance, which makes the interpreter know whatever an execution comes by.
    pub(crate) fn rehearsal(code: String) -> io::Result<Self> {
        let tool = ToolSpec { name: ECHO.into(), input_schema: Some(ECHO_SCHEMA.into()), ..ToolSpec::default() };
        let start = Start {
            code,
            filename: "<rehearsal>".into(),
            tools: vec![tool],
            allow_direct_execution: true,
            result_bytes: REHEARSAL_BYTES,
            value_bytes: REHEARSAL_BYTES,
            check_tools: true,
            ..Start::default()
        };
        let answer = ToGuest::ToolAnswer { call_id: FIRST_CALL, answer: Ok(ECHOED.into()) };
        let frames = [ToGuest::Start(Box::new(start)).encode(), answer.encode()].concat();
        Self::over(None, Inbox::holding(&frames), Vec::new())
    }

    fn send(&self, py: Python<'_>, message: &FromGuest) -> PyResult<()> {
        let frame = message.encode();
        py.detach(|| self.write(&frame)).map_err(gone)
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        let _guard = lock(&self.writing);
        self.socket.as_ref().map_or(Ok(()), |mut socket| socket.write_all(frame))
    }

    fn receive(&self, py: Python<'_>) -> PyResult<Incoming> {
        loop {
            match py.detach(|| lock(&self.reading).next(self.socket.as_ref())) {
                // Ctrl-C and the code's own signal handlers run here.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals()?,
                other => return other.map_err(gone),
            }
        }
    }

    fn check_origin(&self) -> PyResult<()> {
        match self.origin.is_here() {
            true => Ok(()),
            false => {
                Err(PyChildProcessError::new_err("this process was forked: only the one that runs the code may call"))
            }
        }
    }
}

#[pymethods]
impl Bridge {
    #[getter]
    fn roots(&self) -> Vec<String> {
        self.roots.clone()
    }

    /// Blocks until the daemon sends the code.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match self.receive(py)? {
            Incoming::Message(ToGuest::Start(start)) => {
                // Only now: in tier container the folder was another execution's until its code came.
                if self.socket.is_some() {
                    chdir(SANDBOX).map_err(io::Error::from)?;
                }
                start_dict(py, &start)
            }
            _ => Err(PyConnectionError::new_err("an answer came before the code")),
        }
    }

    /// Sends a tool call; its id.
    fn send_call(&self, py: Python<'_>, name: String, arguments: Vec<u8>) -> PyResult<u64> {
        self.check_origin()?;
        let call_id = self.calls.fetch_add(1, Ordering::Relaxed);
        self.send(py, &FromGuest::ToolCall { call_id, name, arguments })?;
        Ok(call_id)
    }

    /// Blocks for the next tool answer: (call id, ok, payload). Large values are a `Value`, all else are bytes.
    fn recv<'py>(&self, py: Python<'py>) -> PyResult<(u64, bool, Bound<'py, PyAny>)> {
        self.check_origin()?;
        match self.receive(py)? {
            Incoming::Message(ToGuest::ToolAnswer { call_id, answer }) => {
                let ok = answer.is_ok();
                let payload = answer.unwrap_or_else(|failure| failure);
                Ok((call_id, ok, PyBytes::new(py, &payload).into_any()))
            }
            Incoming::Value { call_id, value } => Ok((call_id, true, Bound::new(py, Value::new(value))?.into_any())),
            Incoming::Message(_) => Err(PyConnectionError::new_err("the code came twice")),
        }
    }

    /// Tells how the code ended, and ends the process: whoever hears of the end finds it ending, and need not wait for
    /// what the interpreter would still let go. Nothing from a forked child.
    #[pyo3(signature = (kind, exit_code, result, error, warnings, variables))]
    #[allow(clippy::too_many_arguments)] // one per part of the frame
    fn finish(
        &self,
        py: Python<'_>,
        kind: &str,
        exit_code: i32,
        result: Option<Vec<u8>>,
        error: Option<&Bound<'_, PyDict>>,
        warnings: Vec<String>,
        variables: Option<Vec<u8>>,
    ) -> PyResult<()> {
        if self.check_origin().is_err() {
            return Ok(());
        }
        let unknown = || PyValueError::new_err(format!("unknown kind of finish: {kind}"));
        let kind = FinishKind::from_word(kind).ok_or_else(unknown)?;
        let failure = error.map(failure).transpose()?;
        let frame =
            FromGuest::Finish(Box::new(Finish { kind, exit_code, result, variables, failure, warnings })).encode();
        py.detach(|| -> io::Result<()> {
            self.write(&frame)?;
            match self.socket {
                Some(_) => sys::exit_now(exit_code),
                None => Ok(()),
            }
        })
        .map_err(gone)
    }

    /// Reports a refusal that the code met. Nothing from a forked child.
    fn violation(&self, py: Python<'_>, kind: String, detail: String) -> PyResult<()> {
        match self.check_origin() {
            Ok(()) => self.send(py, &FromGuest::Violation { kind, detail }),
            Err(_) => Ok(()),
        }
    }
}

/// Its keys are made once, ahead of any execution: the interpreter keeps them.
fn start_dict<'py>(py: Python<'py>, start: &Start) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "code"), &start.code)?;
    dict.set_item(intern!(py, "filename"), &start.filename)?;
    let tools: Vec<_> = start.tools.iter().map(|tool| tool_dict(py, tool)).collect::<PyResult<_>>()?;
    dict.set_item(intern!(py, "tools"), tools)?;
    dict.set_item(intern!(py, "context"), PyBytes::new(py, &start.context))?;
    dict.set_item(intern!(py, "config"), PyBytes::new(py, &start.config))?;
    dict.set_item(intern!(py, "allow_direct_execution"), start.allow_direct_execution)?;
    dict.set_item(intern!(py, "allowed_commands"), &start.allowed_commands)?;
    dict.set_item(intern!(py, "result_bytes"), start.result_bytes)?;
    dict.set_item(intern!(py, "value_bytes"), start.value_bytes)?;
    dict.set_item(intern!(py, "check_tools"), start.check_tools)?;
    dict.set_item(intern!(py, "variables"), PyBytes::new(py, &start.globals.variables))?;
    dict.set_item(intern!(py, "keep_variables"), start.globals.keep_variables)?;
    dict.set_item(intern!(py, "bare_tools"), start.globals.bare_tools)?;
    Ok(dict)
}

fn tool_dict<'py>(py: Python<'py>, tool: &ToolSpec) -> PyResult<Bound<'py, PyDict>> {
    let bytes = |schema: &Option<Vec<u8>>| schema.as_ref().map(|schema| PyBytes::new(py, schema));
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "name"), &tool.name)?;
    dict.set_item(intern!(py, "description"), &tool.description)?;
    dict.set_item(intern!(py, "input_schema"), bytes(&tool.input_schema))?;
    dict.set_item(intern!(py, "output_schema"), bytes(&tool.output_schema))?;
    dict.set_item(intern!(py, "is_async"), tool.is_async)?;
    dict.set_item(intern!(py, "has_context"), tool.has_context)?;
    Ok(dict)
}

fn failure(error: &Bound<'_, PyDict>) -> PyResult<ExecutionFailure> {
    let text = |key: &str| -> PyResult<String> {
        error.get_item(key)?.map(|value| value.extract()).transpose().map(Option::unwrap_or_default)
    };
    let line: Option<u32> = error.get_item("line")?.map(|value| value.extract()).transpose()?.flatten();
    Ok(ExecutionFailure {
        error_type: text("error_type")?,
        message: text("message")?,
        traceback: text("traceback")?,
        line,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The daemon's end is closed, or spoke nonsense; either way there is nobody to talk to.
fn gone(error: io::Error) -> PyErr {
    PyEOFError::new_err(format!("the executor is gone: {error}"))
}
