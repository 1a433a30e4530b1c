//! Schemas that are enforced, and texts about tools.

use codemode_client::{
    Value,
    schema::{Step, ToolSchema, read_value},
    stubs::stubs,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{convert, errors::NativeError};

/// A JSON Schema that somebody wrote by hand.
#[pyclass(frozen, module = "codemode._native")]
pub(crate) struct NativeSchema(ToolSchema);

type Problem = (Vec<Py<PyAny>>, String, Vec<String>);

#[pymethods]
impl NativeSchema {
    #[new]
    fn new(schema: &[u8]) -> PyResult<Self> {
        let schema: Value =
            serde_json::from_slice(schema).map_err(|error| refused("schema", &format!("is no JSON: {error}")))?;
        ToolSchema::new(&schema).map(Self).map_err(|error| refused("schema", &error))
    }

    fn check(&self, py: Python<'_>, value: &[u8]) -> PyResult<Vec<Problem>> {
        let found = py.detach(|| read_value(value).map(|value| self.0.check(&value)));
        let problems = found.map_err(|error| PyValueError::new_err(error.to_string()))?;
        problems.into_iter().map(|problem| Ok((path(py, problem.path)?, problem.message, problem.near))).collect()
    }
}

/// The tools, as dicts of the shape of `RawToolSpec`, as the text of a Python stub.
#[pyfunction]
pub(crate) fn render_stubs(tools: &Bound<'_, PyAny>) -> PyResult<String> {
    stubs(&convert::tools(tools)?).map_err(|error| refused("stub_name", &error))
}

fn path(py: Python<'_>, path: Vec<Step>) -> PyResult<Vec<Py<PyAny>>> {
    path.into_iter()
        .map(|step| match step {
            Step::Name(name) => Ok(name.into_pyobject(py)?.into_any().unbind()),
            Step::Index(index) => Ok(index.into_pyobject(py)?.into_any().unbind()),
        })
        .collect()
}

/// What the application gave for its tools and cannot be used.
pub(crate) fn refused(code: &str, error: &impl ToString) -> PyErr {
    NativeError::new_err((code.to_owned(), error.to_string(), false, None::<String>, "RegistryError"))
}
