//! PyO3 glue over codemode-client: convert, call, convert. `python/codemode/_native.pyi` is its contract.
#![forbid(unsafe_code)]

mod approval;
mod client;
mod config;
mod convert;
mod driver;
mod engine;
mod errors;
mod host;
mod pool;
mod sink;
mod submit;
mod texts;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::{
        approval::NativeApproval,
        client::NativeClient,
        config::{config_keys, read_config},
        errors::NativeError,
        submit::NativeExecution,
        texts::{NativeSchema, render_stubs},
    };

    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
