use bytes::Bytes;
use codemode_types::OutputStream;

use crate::{DecodeError, v1};

impl v1::Output {
    pub fn of(stream: OutputStream, data: Bytes) -> Self {
        let stream = match stream {
            OutputStream::Stdout => v1::Stream::Stdout,
            OutputStream::Stderr => v1::Stream::Stderr,
        };
        Self { stream: stream.into(), data }
    }

    pub fn into_parts(self) -> Result<(OutputStream, Bytes), DecodeError> {
        match v1::Stream::try_from(self.stream) {
            Ok(v1::Stream::Stdout) => Ok((OutputStream::Stdout, self.data)),
            Ok(v1::Stream::Stderr) => Ok((OutputStream::Stderr, self.data)),
            Ok(v1::Stream::Unspecified) | Err(_) => Err(DecodeError::invalid("output.stream", "not a stream")),
        }
    }
}
