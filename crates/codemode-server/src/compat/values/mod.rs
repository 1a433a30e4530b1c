//! Values between the code, whose numbers keep their digits, and Structs, whose numbers are doubles.

mod incoming;
mod node;
mod outgoing;
mod result;

pub use incoming::{tool_result, value_bytes};
use node::Node;
pub use outgoing::arguments;
pub use result::document;

/// What marks a value that JSON has no form for.
const TAG: &str = "$codemode";

/// A double holds every integer up to here, and not the next one.
const EXACT: i64 = 1 << f64::MANTISSA_DIGITS;

/// Under which a tool's result stands that is no mapping.
const WRAPPED: &str = "__codemode_value__";
