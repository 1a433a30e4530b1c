//! Values of executions as types of the application.

mod read;
mod text;

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::schema::read_value;
pub(crate) use text::{is_integer, text};

/// Why a value cannot be read as a type, or written from one.
///
/// ```
/// let error = codemode_client::from_tagged::<Vec<u8>>(br#"[1, 2, 300]"#).unwrap_err();
/// assert_eq!(error.to_string(), "[2]: invalid value: integer `300`, expected u8");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// From the inside out.
    path: Vec<String>,
    message: String,
}

impl ValueError {
    fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into() }
    }

    fn within(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        match path.strip_prefix('.').unwrap_or(&path) {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

impl std::error::Error for ValueError {}

/// Reads a value as it travels, tagged JSON, as a type of one's own.
///
/// What Python has and JSON has not is read as what comes nearest: tuples and sets as sequences; dataclasses and models
/// as structs or maps; dates, times, UUIDs and Decimals as text; bytes as bytes (`serde_bytes`) or a sequence of `u8`;
/// NaN and the infinities as floats. Nothing is rounded: an integer that the type does not hold is refused, one of up
/// to 128 bits fits `i128` or `u128`, and `Value` holds 64. Arrays and tables are refused; turn them into lists in the
/// code.
///
/// ```
/// use codemode_client::from_tagged;
///
/// let pair: (String, f64) = from_tagged(br#"{"$codemode": "tuple", "v": ["Oslo", -4.5]}"#)?;
/// assert_eq!(pair, ("Oslo".into(), -4.5));
/// assert_eq!(from_tagged::<u128>(b"18446744073709551616")?, 1 << 64);
///
/// let error = from_tagged::<u64>(b"18446744073709551616").unwrap_err();
/// assert!(error.to_string().starts_with("the integer 18446744073709551616 needs more than 64 bits"), "{error}");
/// # Ok::<(), codemode_client::ValueError>(())
/// ```
pub fn from_tagged<T: DeserializeOwned>(text: &[u8]) -> Result<T, ValueError> {
    from_value(&read_value(text).map_err(|error| ValueError::new(error.to_string()))?)
}

/// The same of what `read_value` gave.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ValueError> {
    T::deserialize(read::Tagged(value))
}

/// Writes a value as it travels. Integers of up to 128 bits are exact. As in all of `serde_json`, floats that JSON does
/// not have (NaN, the infinities) become null, and so None.
///
/// ```
/// use codemode_client::{json, to_tagged};
///
/// assert_eq!(to_tagged(&json!({"user": "ada"}))?, br#"{"user":"ada"}"#);
/// assert_eq!(to_tagged(&(1_u128 << 64))?, b"18446744073709551616");
/// # Ok::<(), codemode_client::ValueError>(())
/// ```
pub fn to_tagged<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    serde_json::to_vec(value).map_err(|error| ValueError::new(error.to_string()))
}
