//! The codemode.v1 contract as Rust: checked-in generated code and fallible conversions.
//!
//! Wire types stop here: the server and the client speak `codemode_types`. From a domain value to the wire never
//! fails; from the wire, nothing a peer sent is believed before it is checked. `cargo run -p codemode-proto --example
//! generate` writes the generated code anew.
#![forbid(unsafe_code)]

#[allow(clippy::all, clippy::pedantic, missing_debug_implementations, unreachable_pub, rustdoc::all)]
pub mod v1 {
    include!("generated/codemode.v1.rs");
}

/// The protocol of the package `opencodemode`, which the server also speaks.
#[allow(clippy::all, clippy::pedantic, missing_debug_implementations, unreachable_pub, rustdoc::all)]
pub mod compat {
    include!("generated/codemode.rs");

    /// Values of that protocol.
    pub mod google {
        pub use prost_types::{ListValue, Struct, Value, value};
    }
}

mod error;
mod info;
mod isolation;
mod limits;
mod message;
mod output;
mod rejection;
mod report;
mod tool;
mod usage;

pub use error::DecodeError;
pub use info::{EnvironmentInfo, ExecutorInfo};
pub use limits::{request_bytes, response_bytes};
pub use tool::{tool_answer, tool_result};

/// An encoded `FileDescriptorSet` of the contract, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/codemode.v1.bin");

/// Output bytes under way before the first `Credit` where `Start.output_credit` is 0.
pub const DEFAULT_OUTPUT_CREDIT: u64 = 1 << 20;

/// Bytes of `ToolResultPart` that an executor lets one execution have under way: what it holds of all large results of
/// tools together. Several parts, so that one is read while another is written.
pub const TOOL_RESULT_CREDIT: u64 = 1 << 20;
/// The longest `ToolResultPart` a client of ours sends; a shorter value goes as a whole.
pub const TOOL_RESULT_PART: usize = 256 << 10;
