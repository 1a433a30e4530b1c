//! Which calls of a tool may run.

use codemode_client::{Approval, Value, schema::read_value};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::texts::refused;

/// The approval of one tool, checked.
#[pyclass(frozen, module = "codemode._native")]
pub(crate) struct NativeApproval {
    approval: Approval,
    schema: Option<Value>,
}

#[pymethods]
impl NativeApproval {
    #[new]
    #[pyo3(signature = (spec, schema=None))]
    fn new(spec: &[u8], schema: Option<&[u8]>) -> PyResult<Self> {
        let spec: Value = serde_json::from_slice(spec).map_err(|error| refused("approval", &error))?;
        let schema: Option<Value> =
            schema.map(serde_json::from_slice).transpose().map_err(|error| refused("approval", &error))?;
        let approval = Approval::from_value(&spec).map_err(|error| refused("approval", &error))?;
        approval.check(schema.as_ref()).map_err(|error| refused("approval", &error))?;
        Ok(Self { approval, schema })
    }

    fn judge(&self, py: Python<'_>, arguments: &[u8]) -> PyResult<(&'static str, String)> {
        let verdict =
            py.detach(|| read_value(arguments).map(|arguments| self.approval.judge(&arguments, self.schema.as_ref())));
        let verdict = verdict.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((verdict.action.as_str(), verdict.reason))
    }
}
