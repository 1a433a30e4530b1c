//! The Python half of the guest, carried as text: nothing of it is read from a path that code could reach.

use std::ffi::CString;

use pyo3::{
    prelude::*,
    types::{PyCFunction, PyDict},
};

use crate::bridge::Bridge;

/// Module, text. `__init__` says in which order they may be imported; here the order does not matter.
const SOURCES: [(&str, &str); 23] = [
    ("_codemode", include_str!("../py/__init__.py")),
    ("_codemode._values_read", include_str!("../../../python/codemode/_values_read.py")),
    ("_codemode._values_frames", include_str!("../../../python/codemode/_values_frames.py")),
    ("_codemode.values", include_str!("../../../python/codemode/_values.py")),
    ("_codemode.channel", include_str!("../py/channel.py")),
    ("_codemode.calls", include_str!("../py/calls.py")),
    ("_codemode.tools", include_str!("../py/tools.py")),
    ("_codemode.awaiting", include_str!("../py/awaiting.py")),
    ("_codemode.tool_schemas", include_str!("../py/tool_schemas.py")),
    ("_codemode.tool_uses", include_str!("../py/tool_uses.py")),
    ("_codemode.tool_words", include_str!("../py/tool_words.py")),
    ("_codemode.tool_facts", include_str!("../py/tool_facts.py")),
    ("_codemode.tool_paths", include_str!("../py/tool_paths.py")),
    ("_codemode.tool_check", include_str!("../py/tool_check.py")),
    ("_codemode.compiling", include_str!("../py/compiling.py")),
    ("_codemode.limits", include_str!("../py/limits.py")),
    ("_codemode.courtesy", include_str!("../py/courtesy.py")),
    ("_codemode.namespace", include_str!("../py/namespace.py")),
    ("_codemode.variables", include_str!("../py/variables.py")),
    ("_codemode.tracebacks", include_str!("../py/tracebacks.py")),
    ("_codemode.ending", include_str!("../py/ending.py")),
    ("_codemode.runner", include_str!("../py/runner.py")),
    ("_codemode.warming", include_str!("../py/warming.py")),
];

/// Has `install`, which makes them importable.
const IMPORTER: &str = include_str!("importer.py");

/// Settles the interpreter for its children: environment, guest package, preloaded modules, everything warm.
const PREPARE: &str = "
import gc, importlib, os, sys
os.environ.clear()
os.environ.update(environment)
sys.argv[:] = ['main.py']
sys.orig_argv[:] = ['python']
sys.stdout.reconfigure(line_buffering=True)
from _codemode import runner
for name in preload:
    importlib.import_module(name)
runner.warm(rehearsal, preload)
# Python reseeds its own generators in a fork; these do not.
for name in ('numpy.random', 'torch'):
    if name in sys.modules:
        os.register_at_fork(after_in_child=sys.modules[name].seed)
gc.collect()
# What exists now is shared by every child: the collector must not touch, and so copy, its pages.
gc.freeze()
";

/// Native callbacks: libffi finds its own code through /proc and its file, neither of which a sandbox shows it, so its
/// tables of trampolines are made here and inherited: room for some hundred callbacks. A table goes with its last user,
/// so a few in each stay.
const CALLBACKS: &str = "
import ctypes
prototype = ctypes.CFUNCTYPE(None)
ctypes._codemode_callbacks = [prototype(lambda: None) for _ in range(512)][::32]
";

/// What has to happen while the host's files are still there.
pub(crate) fn prepare_on_host(py: Python<'_>) -> PyResult<()> {
    // An interpreter built without ctypes has no callbacks either.
    match py.import("ctypes") {
        Ok(_) => py.run(&text(CALLBACKS)?, Some(&PyDict::new(py)), None),
        Err(_) => Ok(()),
    }
}

/// The runner module, ready for children.
pub(crate) fn prepare<'py>(
    py: Python<'py>,
    environment: &[(String, String)],
    preload: &[String],
) -> PyResult<Bound<'py, PyModule>> {
    let sources = PyDict::new(py);
    for (name, text) in SOURCES {
        sources.set_item(name, text)?;
    }
    let importer = PyDict::new(py);
    py.run(&text(IMPORTER)?, Some(&importer), None)?;
    importer.as_any().get_item("install")?.call1((sources,))?;
    let scope = PyDict::new(py);
    let variables = PyDict::new(py);
    for (name, value) in environment {
        variables.set_item(name, value)?;
    }
    scope.set_item("environment", variables)?;
    scope.set_item("preload", preload)?;
    scope.set_item("rehearsal", rehearsal(py)?)?;
    py.run(&text(PREPARE)?, Some(&scope), None)?;
    py.import("_codemode.runner")
}

/// What makes a bridge for a run in advance, of this code.
pub(crate) fn rehearsal(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    wrap_pyfunction!(rehearse, py)
}

#[pyfunction]
fn rehearse(code: String) -> PyResult<Bridge> {
    Ok(Bridge::rehearsal(code)?)
}

fn text(source: &str) -> PyResult<CString> {
    Ok(CString::new(source)?)
}
