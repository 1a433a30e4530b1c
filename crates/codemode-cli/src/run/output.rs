//! The code's output as it comes.

use std::io::{self, Write};

use codemode_types::OutputStream;

/// Writes each stream to this process's own. With `json` nothing: it is all in the document.
pub(super) fn live(json: bool) -> impl FnMut(OutputStream, &[u8]) + Send {
    move |stream, data| {
        if json {
            return;
        }
        // A reader that left, such as `head`, does not end the execution; its side effects may be wanted.
        let _ = match stream {
            OutputStream::Stdout => write(io::stdout(), data),
            OutputStream::Stderr => write(io::stderr(), data),
        };
    }
}

fn write(mut to: impl Write, data: &[u8]) -> io::Result<()> {
    to.write_all(data)?;
    to.flush()
}
