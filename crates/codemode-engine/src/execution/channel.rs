//! Our end of the socket to the code's process, which is hostile. Plain reads: descriptors sent along are dropped by
//! the kernel.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::Bytes;
use codemode_socket::LocalStream;
use codemode_types::Limits;
use codemode_wire::{
    FrameDecoder,
    guest::{FRAME_OVERHEAD_BYTES, FromGuest, ToGuest},
};

use crate::escape::escaped;

/// Bytes that may wait for a guest that does not read, beyond one value.
const UNREAD_BYTES: usize = 64 << 20;
/// Refused calls cost the code nothing and the daemon an answer: whoever reads at all never gets here.
const UNREAD_REFUSALS: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct GuestChannel {
    stream: LocalStream,
    decoder: FrameDecoder,
    outgoing: VecDeque<Outgoing>,
    /// Of the first of those.
    written: usize,
    unread: usize,
    /// Of values that come in parts: what the guest has taken, or nobody wants, since it was last asked for.
    taken: u64,
    unread_limit: usize,
    open: bool,
}

#[derive(Debug)]
struct Outgoing {
    data: Bytes,
    /// Whether it is part of a value.
    is_part: bool,
}

impl GuestChannel {
    pub(crate) fn new(stream: LocalStream, limits: &Limits) -> Self {
        let value = usize::try_from(limits.value_bytes.max(limits.result_bytes).bytes()).unwrap_or(usize::MAX);
        Self {
            stream,
            decoder: FrameDecoder::new(value.saturating_add(FRAME_OVERHEAD_BYTES)),
            outgoing: VecDeque::new(),
            written: 0,
            unread: 0,
            taken: 0,
            unread_limit: value.saturating_mul(2).max(UNREAD_BYTES),
            open: true,
        }
    }

    /// Resolves when there is something to read. `wanted`: whether anybody could act on it.
    pub(crate) async fn readable(&self, wanted: bool) {
        if !self.open || !wanted || self.stream.readable().await.is_err() {
            std::future::pending().await
        }
    }

    /// Resolves when something that waits can be written.
    pub(crate) async fn writable(&self) {
        if !self.open || self.outgoing.is_empty() || self.stream.writable().await.is_err() {
            std::future::pending().await
        }
    }

    /// Reads once, after `readable`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) {
        let read = self.stream.try_read(buffer);
        self.accept(read, buffer);
    }

    /// Reads what has arrived, past what the event loop knows; false: nothing more.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8]) -> bool {
        let read = rustix::io::read(&self.stream, &mut *buffer).map_err(io::Error::from);
        let more = read.as_ref().is_ok_and(|length| *length > 0);
        self.accept(read, buffer);
        more
    }

    fn accept(&mut self, read: io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(0) => self.open = false,
            Ok(length) => self.decoder.push(&buffer[..length]),
            Err(error) => {
                self.open = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            }
        }
    }

    /// The next message that arrived whole, or what is wrong with it.
    pub(crate) fn next(&mut self) -> Result<Option<FromGuest>, String> {
        match self.decoder.next_frame() {
            Ok(Some(body)) => FromGuest::decode(body).map(Some).map_err(|error| escaped(&error.to_string())),
            Ok(None) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether `bytes` more may wait without the daemon's memory growing past its bound.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.unread.saturating_add(bytes) <= self.unread_limit
    }

    /// Whether it may be told once more that a call was refused.
    pub(crate) fn has_room_for_refusal(&self, bytes: usize) -> bool {
        self.has_room_for(bytes) && self.has_room_for_word()
    }

    /// For something short, of which there may be many.
    pub(crate) fn has_room_for_word(&self) -> bool {
        self.outgoing.len() < UNREAD_REFUSALS
    }

    /// Whether it has not read all that was sent.
    pub(crate) fn is_behind(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub(crate) fn send(&mut self, message: &ToGuest) {
        self.queue(message.encode().into(), false);
        self.write();
    }

    /// The next part of the answer to a call. Whoever sends parts waits until earlier ones were taken, which bounds what
    /// is held of them.
    pub(crate) fn send_part(&mut self, call_id: u64, total: u64, data: Bytes) {
        let Ok(length) = u32::try_from(data.len()) else { return self.pass_over(data.len()) };
        self.queue(ToGuest::AnswerPart { call_id, total, length }.encode().into(), false);
        self.queue(data, true);
        self.write();
    }

    /// A part that nobody wants any more.
    pub(crate) fn pass_over(&mut self, bytes: usize) {
        self.taken += bytes as u64;
    }

    /// How many bytes of parts have gone since this was last asked.
    pub(crate) fn take_taken(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.taken)).filter(|taken| *taken > 0)
    }

    fn queue(&mut self, data: Bytes, is_part: bool) {
        self.unread += data.len();
        self.outgoing.push_back(Outgoing { data, is_part });
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self) {
        while let Some(first) = self.outgoing.front() {
            let first = &first.data[self.written..];
            let sent = match self.outgoing.get(1) {
                None => self.stream.try_write_vectored(&[IoSlice::new(first)]),
                // A part goes with what announces it.
                Some(second) => self.stream.try_write_vectored(&[IoSlice::new(first), IoSlice::new(&second.data)]),
            };
            match sent {
                Ok(count) => self.sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody reads there any more; how it ended comes through the cell's channel.
                Err(_) => return self.give_up(),
            }
        }
    }

    fn sent(&mut self, count: usize) {
        self.written += count;
        self.unread -= count;
        while let Some(first) = self.outgoing.front().filter(|first| first.data.len() <= self.written) {
            self.written -= first.data.len();
            self.taken += if first.is_part { first.data.len() as u64 } else { 0 };
            self.outgoing.pop_front();
        }
    }

    fn give_up(&mut self) {
        self.taken +=
            self.outgoing.drain(..).map(|left| if left.is_part { left.data.len() as u64 } else { 0 }).sum::<u64>();
        self.written = 0;
        self.unread = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::net::UnixStream};

    use super::*;

    fn channel(ours: UnixStream) -> GuestChannel {
        GuestChannel::new(LocalStream::new(ours).unwrap(), &Limits::default())
    }

    async fn arrived(bytes: &[u8]) -> Result<Option<FromGuest>, String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut channel = channel(ours);
        theirs.write_all(bytes).unwrap();
        while channel.read_now(&mut [0; 16]) {}
        channel.next()
    }

    #[tokio::test]
    async fn malformed_and_oversized_frames_are_errors() {
        assert_eq!(arrived(&[1, 0, 0, 0, 99]).await, Err("unknown message from the guest 99".into()));
        let long = arrived(&[0xff; 4]).await.unwrap_err();
        assert!(long.contains("at most 17825792 are allowed"), "{long}");
        assert_eq!(arrived(&[9, 0, 0, 0, 1]).await, Ok(None));
    }

    #[tokio::test]
    async fn messages_pass_both_ways() {
        let violation = FromGuest::Violation { kind: "k".into(), detail: "d".into() };
        assert_eq!(arrived(&violation.encode()).await, Ok(Some(violation)));
    }

    #[tokio::test]
    async fn a_guest_that_does_not_read_fills_a_bounded_queue() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut channel = channel(ours);
        let answer = ToGuest::ToolAnswer { call_id: 1, answer: Ok(vec![0; 8 << 20]) };
        let mut sent = 0;
        while channel.has_room_for(8 << 20) {
            channel.send(&answer);
            sent += 1;
        }
        assert_eq!(sent, 8);
    }
}
