use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use codemode_client::{ClientError, ExecutionOutcome, ExecutorInfo};
use codemode_types::{
    Artifact, ErrorCode, ExecutionFailure, ExecutionReport, Isolation, Outcome, ToolCallRecord, Usage, Violation,
};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList},
};

use crate::errors::raised;

/// A dict of these members. Values are whatever PyO3 knows how to turn into Python.
macro_rules! dict {
    ($py:expr, { $($key:literal: $value:expr),+ $(,)? }) => {{
        let dict = PyDict::new($py);
        $(dict.set_item(pyo3::intern!($py, $key), $value)?;)+
        dict
    }};
}

/// The raw result. That the executor would not run the code is one as well: it is a fault of the code like others.
pub(crate) fn outcome<'py>(
    py: Python<'py>,
    correlation_id: &str,
    outcome: Result<ExecutionOutcome, ClientError>,
) -> PyResult<Bound<'py, PyDict>> {
    match outcome {
        Ok(ExecutionOutcome { report, stdout, stderr }) => finished(py, &report, &stdout, &stderr),
        Err(error) => match rejected(py, correlation_id, &error)? {
            Some(raw) => Ok(raw),
            None => Err(raised(&error)),
        },
    }
}

fn finished<'py>(
    py: Python<'py>,
    report: &ExecutionReport,
    stdout: &[u8],
    stderr: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "success": report.outcome == Outcome::Ok,
        "outcome": report.outcome.as_str(),
        "exit_code": report.exit_code,
        "result": report.result.as_deref().map(|value| PyBytes::new(py, value)),
        "variables": report.variables.as_deref().map(|value| PyBytes::new(py, value)),
        "stdout": PyBytes::new(py, stdout),
        "stderr": PyBytes::new(py, stderr),
        "error": report.failure.as_ref().map(|failure| error(py, failure)).transpose()?,
        "tool_calls": list(py, &report.tool_calls, tool_call)?,
        "artifacts": list(py, &report.artifacts, artifact)?,
        "violations": list(py, &report.violations, violation)?,
        "usage": usage(py, &report.usage)?,
        "isolation": isolation(py, &report.isolation)?,
        "warnings": &report.warnings,
        "stdout_truncated": report.stdout_truncated,
        "stderr_truncated": report.stderr_truncated,
        "correlation_id": report.correlation_id.as_str(),
        "execution_id": report.execution_id.as_str(),
        "duration_ms": milliseconds(report.duration),
    }))
}

/// Nothing ran: no exit code, no walls.
fn rejected<'py>(py: Python<'py>, correlation_id: &str, refused: &ClientError) -> PyResult<Option<Bound<'py, PyDict>>> {
    let ClientError::Rejected { rejection, execution_id } = refused else { return Ok(None) };
    if !matches!(rejection.code, ErrorCode::InvalidCode | ErrorCode::CodeTooLong | ErrorCode::Policy) {
        return Ok(None);
    }
    let code = rejection.code.as_str();
    let message = match rejection.message.starts_with(code) {
        true => rejection.message.clone(),
        false => format!("{code}: {}", rejection.message),
    };
    let failure = ExecutionFailure { error_type: "Rejected".into(), message, ..ExecutionFailure::default() };
    let nothing = || PyList::empty(py);
    Ok(Some(dict!(py, {
        "success": false,
        "outcome": "rejected",
        "exit_code": py.None(),
        "result": py.None(),
        "variables": py.None(),
        "stdout": PyBytes::new(py, b""),
        "stderr": PyBytes::new(py, b""),
        "error": error(py, &failure)?,
        "tool_calls": nothing(),
        "artifacts": nothing(),
        "violations": nothing(),
        "usage": usage(py, &Usage::default())?,
        "isolation": dict!(py, {
            "tier": "",
            "layers": nothing(),
            "substitutes": nothing(),
            "not_promised": nothing(),
        }),
        "warnings": nothing(),
        "stdout_truncated": false,
        "stderr_truncated": false,
        "correlation_id": correlation_id,
        "execution_id": execution_id.as_str(),
        "duration_ms": 0.0,
    })))
}

pub(crate) fn info<'py>(py: Python<'py>, info: &ExecutorInfo, embedded: bool) -> PyResult<Bound<'py, PyDict>> {
    // Policies are small and rarely asked for: through text is short.
    let environments: Vec<Bound<'_, PyDict>> = info
        .environments
        .iter()
        .map(|info| Ok(dict!(py, { "name": &info.name, "python": &info.python, "packages": &info.packages })))
        .collect::<PyResult<_>>()?;
    let policy = py.import("json")?.call_method1("loads", (info.policy.to_value().to_string(),))?;
    Ok(dict!(py, {
        "version": &info.version,
        "tier": info.isolation.tier.as_str(),
        "layers": &info.isolation.layers,
        "substitutes": &info.isolation.substitutes,
        "not_promised": &info.isolation.not_promised,
        "limits": policy.get_item("limits")?,
        "policy": policy,
        "max_concurrent_executions": info.max_concurrent_executions,
        "python": &info.python,
        "packages": &info.packages,
        "environments": environments,
        "embedded": embedded,
    }))
}

fn error<'py>(py: Python<'py>, failure: &ExecutionFailure) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "error_type": &failure.error_type,
        "message": &failure.message,
        "traceback": &failure.traceback,
        "line": failure.line,
    }))
}

fn tool_call<'py>(py: Python<'py>, record: &ToolCallRecord) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "name": &record.name,
        "arguments": PyBytes::new(py, &record.arguments),
        "status": record.status.as_str(),
        "duration_ms": milliseconds(record.duration),
        "error": &record.error,
    }))
}

fn artifact<'py>(py: Python<'py>, artifact: &Artifact) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "path": &artifact.path,
        "size": artifact.size,
        "mime_type": &artifact.mime_type,
        "sha256": &artifact.sha256,
        "host_path": artifact.host_path.as_deref().map(|path| path.to_string_lossy().into_owned()),
        "data": artifact.data.as_deref().map(|data| PyBytes::new(py, data)),
    }))
}

fn violation<'py>(py: Python<'py>, violation: &Violation) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "kind": &violation.kind,
        "detail": &violation.detail,
        "source": violation.source.as_str(),
    }))
}

fn usage<'py>(py: Python<'py>, usage: &Usage) -> PyResult<Bound<'py, PyDict>> {
    Ok(dict!(py, {
        "wall_ms": milliseconds(usage.wall),
        "guest_ms": milliseconds(usage.guest),
        "tool_ms": milliseconds(usage.tool),
        "cpu_ms": milliseconds(usage.cpu),
        "peak_memory_bytes": usage.peak_memory_bytes,
    }))
}

/// The same dict as last time where the walls are the same, as they mostly are: the face asks for identity.
fn isolation<'py>(py: Python<'py>, isolation: &Isolation) -> PyResult<Bound<'py, PyDict>> {
    // Taken only under the GIL and without a call of Python: nobody holds it across a `fork`.
    static LAST: Mutex<Option<(Isolation, Py<PyDict>)>> = Mutex::new(None);
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let known = last().as_ref().filter(|(known, _)| known == isolation).map(|(_, dict)| dict.clone_ref(py));
    if let Some(dict) = known {
        return Ok(dict.into_bound(py));
    }
    let dict = dict!(py, {
        "tier": isolation.tier.as_str(),
        "layers": &isolation.layers,
        "substitutes": &isolation.substitutes,
        "not_promised": &isolation.not_promised,
    });
    let before = last().replace((isolation.clone(), dict.clone().unbind()));
    drop(before);
    Ok(dict)
}

fn list<'py, T>(
    py: Python<'py>,
    items: &[T],
    convert: impl Fn(Python<'py>, &T) -> PyResult<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyList>> {
    let items: Vec<_> = items.iter().map(|item| convert(py, item)).collect::<PyResult<_>>()?;
    PyList::new(py, items)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
