//! The daemon's log, on stderr.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
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
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| Unhurried).try_init();
    Ok(())
}

/// stderr, as long as somebody reads there. A pipe whose reader has stopped would stop the whole daemon at its next
/// line: that line is dropped instead.
struct Unhurried;

/// What a pipe that has any room takes without blocking (POSIX: at least 512; Linux: 4096).
const PIECE_BYTES: usize = 4096;

impl Write for Unhurried {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        for piece in line.chunks(PIECE_BYTES) {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let mut watched = [PollFd::new(&stderr, PollFlags::OUT)];
            match poll(&mut watched, Some(&at_once)) {
                Ok(1..) => stderr.lock().write_all(piece)?,
                _ => break,
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
