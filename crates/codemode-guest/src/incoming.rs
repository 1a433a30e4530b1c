//! What the daemon sends, read from the one socket: whole messages, and answers that come in parts.

use std::{
    collections::HashMap,
    io::{self, Read},
    os::unix::net::UnixStream,
};

use codemode_wire::{FrameDecoder, guest::ToGuest};
use rustix::buffer::spare_capacity;

/// Frames from the daemon are its own, but a length is never believed without a bound.
const MAX_FRAME_BYTES: usize = (1 << 30) + (64 << 20);

const READ_BYTES: usize = 64 << 10;

pub(crate) enum Incoming {
    Message(ToGuest),
    /// The value of an answer that came in parts.
    Value {
        call_id: u64,
        value: Vec<u8>,
    },
}

pub(crate) struct Inbox {
    frames: FrameDecoder,
    /// What the last read brought. Memory that no read fills is never touched, and so not copied for this process.
    read: Vec<u8>,
    /// Of answers that have begun, what has come.
    values: HashMap<u64, Vec<u8>>,
    /// The part that is being read.
    part: Option<Part>,
}

struct Part {
    call_id: u64,
    total: usize,
    /// As long as the value is with this part.
    value: Vec<u8>,
    /// How much of that has come.
    filled: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            frames: FrameDecoder::new(MAX_FRAME_BYTES),
            read: Vec::with_capacity(READ_BYTES),
            values: HashMap::new(),
            part: None,
        }
    }

    /// These frames have come already.
    pub(crate) fn holding(frames: &[u8]) -> Self {
        let mut inbox = Self::new();
        inbox.frames.push(frames);
        inbox
    }

    /// Blocks; without a socket, what has come is all there is. An error of kind `Interrupted` loses nothing: what has come
    /// is still there for the next call.
    pub(crate) fn next(&mut self, socket: Option<&UnixStream>) -> io::Result<Incoming> {
        loop {
            if let Some(part) = &mut self.part {
                part.read(&mut self.frames, socket.ok_or(io::ErrorKind::UnexpectedEof)?)?;
                if let Some(whole) = self.part_is_read() {
                    return Ok(whole);
                }
            }
            match self.frames.next_frame().map_err(io::Error::other)? {
                Some(frame) => match ToGuest::decode(frame).map_err(io::Error::other)? {
                    ToGuest::AnswerPart { call_id, total, length } => self.begin(call_id, total, length)?,
                    message => return Ok(self.whole(message)),
                },
                None => {
                    let socket = socket.ok_or(io::ErrorKind::UnexpectedEof)?;
                    self.read.clear();
                    match rustix::io::read(socket, spare_capacity(&mut self.read))? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        _ => self.frames.push(&self.read),
                    }
                }
            }
        }
    }

    fn whole(&mut self, message: ToGuest) -> Incoming {
        if let ToGuest::ToolAnswer { call_id, .. } = &message {
            self.values.remove(call_id);
        }
        Incoming::Message(message)
    }

    fn begin(&mut self, call_id: u64, total: u64, length: u32) -> io::Result<()> {
        let mut value = self.values.remove(&call_id).unwrap_or_default();
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let (filled, end) = (value.len(), value.len().saturating_add(length as usize));
        if end > total || total > MAX_FRAME_BYTES {
            return Err(io::Error::other("a part of an answer is longer than the answer"));
        }
        // All of it at once: a value that is large is not moved about as it grows.
        value.reserve_exact(total - filled);
        value.resize(end, 0);
        self.part = Some(Part { call_id, total, value, filled });
        Ok(())
    }

    fn part_is_read(&mut self) -> Option<Incoming> {
        let Part { call_id, total, value, .. } = self.part.take()?;
        if value.len() == total {
            return Some(Incoming::Value { call_id, value });
        }
        self.values.insert(call_id, value);
        None
    }
}

impl Part {
    /// Into the value itself, without a detour.
    fn read(&mut self, frames: &mut FrameDecoder, mut socket: &UnixStream) -> io::Result<()> {
        let arrived = frames.take_behind(self.value.len() - self.filled);
        self.value[self.filled..self.filled + arrived.len()].copy_from_slice(arrived);
        self.filled += arrived.len();
        while self.filled < self.value.len() {
            match socket.read(&mut self.value[self.filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.filled += length,
            }
        }
        Ok(())
    }
}
