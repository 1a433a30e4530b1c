//! Tier container with a restricted network: the warden asks the engine for the connections that the code asks for.
//!
//! The channel is the warden's and the engine's alone. First the engine sends an [`Answer`] with the end of the
//! filter that hears of connects; then each [`Ask`] gets one, in any order.

use crate::codec::{DecodeError, Reader, Writer};

/// The code wants to connect to this IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The warden's word for it, which the answer repeats.
    pub ticket: u64,
    pub address: [u8; 4],
    pub port: u16,
}

/// Comes with a connected socket, or with none: the errno that the code's connect is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ticket: u64,
    pub errno: u32,
}

pub const PACKET_BYTES: usize = 64;

impl Ask {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(1);
        writer.u64(self.ticket).u32(u32::from_be_bytes(self.address)).u32(self.port.into());
        writer.into_message()
    }

    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        expect(&mut reader, 1)?;
        let (ticket, address, port) = (reader.u64()?, reader.u32()?.to_be_bytes(), reader.u32()?);
        reader.end()?;
        let port = u16::try_from(port).map_err(|_| DecodeError::Unknown { what: "port", value: port })?;
        Ok(Self { ticket, address, port })
    }
}

impl Answer {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(2);
        writer.u64(self.ticket).u32(self.errno);
        writer.into_message()
    }

    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        expect(&mut reader, 2)?;
        let answer = Self { ticket: reader.u64()?, errno: reader.u32()? };
        reader.end()?;
        Ok(answer)
    }
}

fn expect(reader: &mut Reader<'_>, kind: u8) -> Result<(), DecodeError> {
    match reader.u8()? {
        value if value == kind => Ok(()),
        value => Err(DecodeError::Unknown { what: "message of a broker", value: value.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_survive_the_wire() {
        let ask = Ask { ticket: u64::MAX, address: [127, 1, 2, 3], port: 443 };
        assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
        let answer = Answer { ticket: 7, errno: 111 };
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        assert!(Answer::decode(&ask.encode()).is_err() && Ask::decode(&[]).is_err());
        assert!(ask.encode().len() <= PACKET_BYTES && answer.encode().len() <= PACKET_BYTES);
    }
}
