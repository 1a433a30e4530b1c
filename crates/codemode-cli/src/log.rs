//! The daemon's log, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// `CODEMODE_LOG` is a filter in tracing's own language and wins over `level`.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_env("CODEMODE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr).try_init();
}
