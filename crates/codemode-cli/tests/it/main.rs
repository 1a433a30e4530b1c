//! The command as a person sees it: whole output under snapshots.
#![forbid(unsafe_code)]

mod help;
mod refused;
