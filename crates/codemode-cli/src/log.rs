//! The daemon's log, on stderr.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
};

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

const VARIABLE: &str = "CODEMODE_LOG";

/// `CODEMODE_LOG` is a filter in tracing's own language and wins over `level`. Set but empty counts as unset.
pub(crate) fn start(level: &str, variables: &BTreeMap<String, String>) -> Result<(), Failure> {
    let filter = match variables.get(VARIABLE).filter(|text| !text.trim().is_empty()) {
        Some(text) => EnvFilter::try_new(text).map_err(|error| {
            Failure::usage(format!(
                "{VARIABLE}: `{text}` is not a filter ({error}); write a level, or parts such as codemode_server=debug"
            ))
        })?,
        None => EnvFilter::new(level),
    };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr).try_init();
    Ok(())
}
