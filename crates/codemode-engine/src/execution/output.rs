//! One of the code's two output streams: passed on up to its cap, then drained and thrown away.

use std::io;

use bytes::Bytes;
use codemode_types::{ByteSize, OutputStream};
use tokio::net::unix::pipe;

/// After the end there is at most a full pipe left to read; pipes of ordinary users hold at most 1 MiB.
const MOST_LEFT: usize = 4 << 20;

/// What part of a stream still passes.
#[derive(Debug)]
pub(crate) struct Cap {
    limit: ByteSize,
    left: u64,
    truncated: bool,
}

impl Cap {
    pub(crate) fn new(limit: ByteSize) -> Self {
        Self { limit, left: limit.bytes(), truncated: false }
    }

    /// What passes of `chunk`: all, a part with the marker behind it, or nothing.
    pub(crate) fn pass(&mut self, chunk: &[u8]) -> Option<Bytes> {
        if self.truncated {
            return None;
        }
        if let Some(left) = self.left.checked_sub(chunk.len() as u64) {
            self.left = left;
            return (!chunk.is_empty()).then(|| Bytes::copy_from_slice(chunk));
        }
        self.truncated = true;
        // `left` is below the chunk's length here.
        let kept = &chunk[..self.left as usize];
        let marker = format!("\n[output truncated: limit of {} reached]\n", self.limit);
        Some([kept, marker.as_bytes()].concat().into())
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stream: OutputStream,
    pipe: pipe::Receiver,
    cap: Cap,
    ended: bool,
}

impl Output {
    pub(crate) fn new(stream: OutputStream, pipe: pipe::Receiver, limit: ByteSize) -> Self {
        Self { stream, pipe, cap: Cap::new(limit), ended: false }
    }

    /// Resolves when there is something to read. `room`: whether somebody takes what passes.
    pub(crate) async fn readable(&self, room: bool) {
        if self.ended || !(room || self.cap.is_truncated()) || self.pipe.readable().await.is_err() {
            std::future::pending().await
        }
    }

    /// Reads once, after `readable`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<Bytes> {
        match self.pipe.try_read(buffer) {
            Ok(0) => {
                self.ended = true;
                None
            }
            Ok(length) => self.cap.pass(&buffer[..length]),
            Err(error) => {
                self.ended = !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                None
            }
        }
    }

    /// Everything that is left once the writers are dead. Asks the kernel, not the event loop, which may not have
    /// heard of the last bytes yet.
    pub(crate) fn rest(&mut self, buffer: &mut [u8]) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let mut seen = 0;
        while !self.ended && seen < MOST_LEFT {
            match rustix::io::read(&self.pipe, &mut *buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    seen += length;
                    chunks.extend(self.cap.pass(&buffer[..length]));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => self.ended = true,
            }
        }
        chunks
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.cap.is_truncated()
    }

    pub(crate) fn limit(&self) -> ByteSize {
        self.cap.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_comes_once_and_nothing_after_it() {
        let mut cap = Cap::new(ByteSize(4096));
        assert_eq!(cap.pass(&[b'a'; 4000]).map(|bytes| bytes.len()), Some(4000));
        let last = cap.pass(&[b'b'; 200]).unwrap();
        assert_eq!(last, [&[b'b'; 96][..], b"\n[output truncated: limit of 4 KiB reached]\n"].concat());
        assert!(cap.is_truncated());
        assert_eq!(cap.pass(b"more"), None);
    }

    #[test]
    fn output_of_exactly_the_limit_is_not_truncated() {
        let mut cap = Cap::new(ByteSize(8));
        assert_eq!(cap.pass(b"12345678").as_deref(), Some(&b"12345678"[..]));
        assert_eq!(cap.pass(b""), None);
        assert!(!cap.is_truncated());
        assert!(cap.pass(b"9").is_some_and(|bytes| bytes.starts_with(b"\n[output truncated")));
    }

    #[tokio::test]
    async fn what_is_left_in_a_pipe_is_read_to_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let pipe = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut output = Output::new(OutputStream::Stdout, pipe, ByteSize::mib(1));
        io::Write::write_all(&mut writer, &[b'x'; 60_000]).unwrap();
        drop(writer);
        let chunks = output.rest(&mut [0; 4096]);
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), 60_000);
    }
}
