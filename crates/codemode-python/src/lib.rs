//! PyO3 glue over codemode-client: convert, call, convert. `python/codemode/_native.pyi` is its contract.
#![forbid(unsafe_code)]

mod client;
mod convert;
mod engine;
mod errors;
mod host;
mod pool;
mod sink;
mod submit;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::{client::NativeClient, errors::NativeError, submit::NativeExecution};

    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
