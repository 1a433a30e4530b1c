//! What each target checks: a function from bytes to nothing that panics where a promise is broken.
//!
//! A module here uses the crate it is about and little else, because the tests of that crate compile it again and run
//! it on the seeds and on every input that was ever found (`replay`). So a finding stays found without a fuzzer.
#![forbid(unsafe_code)]

pub mod choices;
pub mod client_configuration;
pub mod configuration;
pub mod dns;
pub mod domains;
pub mod egress;
pub mod elf;
pub mod outputs;
pub mod policy;
pub mod proto;
pub mod published;
pub mod replay;
pub mod schema;
pub mod sizes;
pub mod variables;
pub mod wire;
