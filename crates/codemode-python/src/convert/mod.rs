//! Between Python's dicts and the client's types; one file per direction and concept.

mod options;
mod report;
mod request;

pub(crate) use options::{client_options, embedded_options};
pub(crate) use report::{info, outcome};
pub(crate) use request::{request, tools};
