//! Configurations for the Python face: it passes values on and wraps what comes back.

use std::{collections::BTreeMap, path::PathBuf};

use codemode_config::{
    ClientConfig, ClientSources, ConfigError, DescribedKey, SidecarConfig,
    sidecar::{Arguments, Sources},
};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList},
};
use serde_json::Value;

use crate::errors::config as refused;

#[pyfunction]
#[pyo3(signature = (kind, path, values, environ, dotenv, base_dir=None))]
#[expect(clippy::too_many_arguments, reason = "the signature is Python's")]
pub(crate) fn read_config<'py>(
    py: Python<'py>,
    kind: &str,
    path: Option<PathBuf>,
    values: Option<&[u8]>,
    environ: Option<BTreeMap<String, String>>,
    dotenv: Option<PathBuf>,
    base_dir: Option<PathBuf>,
) -> PyResult<Bound<'py, PyBytes>> {
    let values: Value = match values {
        Some(json) => serde_json::from_slice(json).map_err(|error| refused(format!("values are not JSON: {error}")))?,
        None => Value::Null,
    };
    let environment = environ.unwrap_or_default();
    let read = match kind {
        "client" => {
            let sources = ClientSources { options: Vec::new(), values, base_dir, file: path, environment, dotenv };
            ClientConfig::load(&sources).map(|config| config.to_value())
        }
        "sidecar" => {
            let arguments = Arguments { values, base_dir, ..Arguments::default() };
            SidecarConfig::load(&Sources { file: path, environment, dotenv, arguments }).map(|config| config.to_value())
        }
        _ => return Err(unknown(kind)),
    };
    let document = read.map_err(|error| refused(text(kind, &error)))?;
    Ok(PyBytes::new(py, document.to_string().as_bytes()))
}

#[pyfunction]
pub(crate) fn config_keys<'py>(py: Python<'py>, kind: &str) -> PyResult<Bound<'py, PyList>> {
    let keys = match kind {
        "client" => ClientConfig::keys(),
        "sidecar" => SidecarConfig::keys(),
        _ => return Err(unknown(kind)),
    };
    let keys: Vec<_> = keys.iter().map(|key| described(py, key)).collect::<PyResult<_>>()?;
    PyList::new(py, keys)
}

/// `allowed` and `default` are JSON.
fn described<'py>(py: Python<'py>, key: &DescribedKey) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("key", &key.key)?;
    dict.set_item("aliases", &key.aliases)?;
    dict.set_item("variables", &key.variables)?;
    dict.set_item("kind", &key.kind)?;
    dict.set_item("allowed", key.allowed.to_string())?;
    dict.set_item("default", key.default.to_string())?;
    dict.set_item("about", &key.about)?;
    Ok(dict)
}

/// Many problems read best one a line.
fn text(kind: &str, error: &ConfigError) -> String {
    let lines: String = error.to_string().lines().map(|line| format!("\n  {line}")).collect();
    format!("the {kind} configuration is not valid:{lines}")
}

fn unknown(kind: &str) -> PyErr {
    refused(format!("no such configuration: {kind:?}; there are \"client\" and \"sidecar\""))
}
