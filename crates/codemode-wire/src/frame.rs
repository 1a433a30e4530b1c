use thiserror::Error;

/// A frame is a 32-bit little-endian body length, then the body; its first byte says what it is.
pub const HEADER_BYTES: usize = 4;

#[derive(Debug, Error, PartialEq, Eq)]
#[error("a frame of {announced} bytes was announced, at most {limit} are allowed")]
pub struct FrameTooLong {
    pub announced: usize,
    pub limit: usize,
}

/// Cuts a byte stream into frames. Memory grows with what has arrived, not with what was announced.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    consumed: usize,
    limit: usize,
}

impl FrameDecoder {
    /// `limit`: the longest body, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), consumed: 0, limit }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole body, if it has arrived.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLong> {
        let pending = &self.buffer[self.consumed..];
        let Some((header, rest)) = pending.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let announced = u32::from_le_bytes(*header) as usize;
        if announced > self.limit {
            return Err(FrameTooLong { announced, limit: self.limit });
        }
        if rest.len() < announced {
            return Ok(None);
        }
        let start = self.consumed + HEADER_BYTES;
        self.consumed = start + announced;
        Ok(Some(&self.buffer[start..self.consumed]))
    }

    /// At most `most` of the bytes behind the last frame that have arrived: some frames announce bytes that follow them.
    pub fn take_behind(&mut self, most: usize) -> &[u8] {
        let start = self.consumed;
        self.consumed = self.buffer.len().min(start.saturating_add(most));
        &self.buffer[start..self.consumed]
    }

    /// Whether a frame has begun that has not ended.
    pub fn is_mid_frame(&self) -> bool {
        self.buffer.len() > self.consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let stream = [&[2, 0, 0, 0, 7, 8][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 9]].concat();
        let mut decoder = FrameDecoder::new(16);
        let mut frames = Vec::new();
        for byte in stream {
            decoder.push(&[byte]);
            while let Some(frame) = decoder.next_frame().unwrap() {
                frames.push(frame.to_vec());
            }
        }
        assert_eq!(frames, [vec![7, 8], vec![], vec![9]]);
        assert!(!decoder.is_mid_frame());
    }

    #[test]
    fn bytes_behind_a_frame_are_taken_as_they_are() {
        let mut decoder = FrameDecoder::new(16);
        decoder.push(&[1, 0, 0, 0, 7, 0xff, 0xff]);
        assert_eq!(decoder.next_frame(), Ok(Some(&[7][..])));
        assert_eq!(decoder.take_behind(3), [0xff, 0xff]);
        assert!(decoder.take_behind(1).is_empty());
        decoder.push(&[0xff, 0, 0, 0, 0]);
        assert_eq!(decoder.take_behind(1), [0xff]);
        assert_eq!(decoder.next_frame(), Ok(Some(&[][..])));
    }

    #[test]
    fn an_announced_length_is_refused_before_any_of_it_arrives() {
        let mut decoder = FrameDecoder::new(16);
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.next_frame(), Err(FrameTooLong { announced: u32::MAX as usize, limit: 16 }));
    }
}
