//! The codemode.v1 contract as Rust: checked-in generated code and fallible conversions.
