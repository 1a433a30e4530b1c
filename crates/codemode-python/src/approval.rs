//! Which calls of a tool may run.

use codemode_client::{Approval, Value, schema::read_value};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::texts::refused;

/// The approval of one tool, checked.
#[pyclass(frozen, module = "codemode._native")]
pub(crate) struct NativeApproval(Approval);

#[pymethods]
impl NativeApproval {
    #[new]
    fn new(spec: &[u8]) -> PyResult<Self> {
        let spec: Value = serde_json::from_slice(spec).map_err(|error| refused("approval", &error))?;
        let approval = Approval::from_value(&spec).map_err(|error| refused("approval", &error))?;
        // Which parameters there are, and their defaults, Python knows better than their JSON Schema.
        approval.check(None).map_err(|error| refused("approval", &error))?;
        Ok(Self(approval))
    }

    fn judge(&self, py: Python<'_>, arguments: &[u8]) -> PyResult<(&'static str, String)> {
        let verdict = py.detach(|| read_value(arguments).map(|arguments| self.0.judge(&arguments, None)));
        let verdict = verdict.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((verdict.action.as_str(), verdict.reason))
    }
}
