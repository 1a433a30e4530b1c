#![forbid(unsafe_code)]

mod fuzzed;
