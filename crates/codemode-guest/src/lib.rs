//! The native half of the guest, loaded by the zygote's interpreter.
//!
//! [`zygote`] is the process that forks sandboxes; it holds no secret and sees no code. [`bridge`] is what executed
//! code's process has to talk to the daemon with. [`python`] carries the Python half as text.
//!
//! Unsafe code stands only in [`fork`], the path from the zygote into a sandbox.
#![deny(unsafe_code)]

mod bridge;
mod footprint;
mod fork;
mod incoming;
mod python;
mod value;
mod zygote;

use pyo3::prelude::*;

#[pymodule]
mod _codemode_guest {
    use super::*;

    /// Runs the zygote on descriptor 0 until the daemon closes it. Never returns.
    #[pyfunction]
    fn zygote(py: Python<'_>) {
        crate::zygote::run(py)
    }
}
