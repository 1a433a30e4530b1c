//! A large value on its way into the code: text, and perhaps raw bytes behind it.

use std::{
    ffi::CStr,
    sync::atomic::{AtomicUsize, Ordering},
};

use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyString},
};

/// What `_values_read.decode` takes in the place of bytes: text and bytes are copied once, out of what was read from the
/// socket into what the code gets.
#[pyclass(frozen, module = "_codemode_guest")]
pub(crate) struct Value {
    data: Vec<u8>,
    /// Where the text ends, and where the bytes behind it begin.
    text: usize,
    behind: usize,
    at: AtomicUsize,
}

impl Value {
    pub(crate) fn new(data: Vec<u8>) -> Self {
        // The standard library's quick search for a NUL.
        let nul = CStr::from_bytes_until_nul(&data).map(CStr::count_bytes);
        let (text, behind) = match nul {
            Ok(end) if end + 1 < data.len() => (end, end + 1),
            _ => (data.len(), data.len()),
        };
        Self { data, text, behind, at: AtomicUsize::new(behind) }
    }
}

#[pymethods]
impl Value {
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let text = std::str::from_utf8(&self.data[..self.text]);
        text.map(|text| PyString::new(py, text)).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn rewind(&self) {
        self.at.store(self.behind, Ordering::Relaxed);
    }

    /// The next so many of the bytes behind the text.
    fn take<'py>(&self, py: Python<'py>, count: i64) -> PyResult<Bound<'py, PyBytes>> {
        let at = self.at.load(Ordering::Relaxed);
        let end = usize::try_from(count).ok().and_then(|count| at.checked_add(count));
        let taken = end.and_then(|end| Some((end, self.data.get(at..end)?)));
        let Some((end, taken)) = taken else {
            return Err(PyValueError::new_err("fewer bytes came than a tag announces"));
        };
        self.at.store(end, Ordering::Relaxed);
        Ok(PyBytes::new(py, taken))
    }

    /// How many of them are left.
    fn left(&self) -> usize {
        self.data.len() - self.at.load(Ordering::Relaxed)
    }
}
