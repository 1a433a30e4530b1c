//! The sandbox's own init → daemon. Init runs none of the user's code and user code holds no descriptor of this
//! channel, so what it says is the supervisor's word.

use crate::codec::{DecodeError, Reader, Writer};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromCell {
    /// Comes with a descriptor for each writable folder: /outputs, /sandbox, /tmp, /dev/shm.
    Folders,
    /// Every wall stands and was checked; the process waits for its code. Names of the layers that hold. Where starts of
    /// programs are observed it comes with one descriptor: the end that hears of them.
    Confined { layers: Vec<String> },
    /// A wall could not be built; the cell is gone.
    Failed { step: String, message: String },
    /// The code's process ended, with a status as `wait` gives it. With what all of them used, where no process is left
    /// but init, which tells it after it reaped the last one.
    Exited { status: i32, quiet: Option<Used> },
    /// Tier container: a folder holds more than it may, so every process of the cell was killed.
    Overfull { folder: String },
    /// Tier container: every process of the cell is gone and its folders are wiped, but for what is in /outputs.
    Quiet(Used),
    /// Comes with listening sockets of a restricted network, for the engine to serve. As often as it takes.
    Network,
}

/// By the processes of a cell that were reaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub cpu_micros: u64,
    /// Of the largest process.
    pub peak_memory_bytes: u64,
}

const MAX_LAYERS: u32 = 64;

impl FromCell {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer;
        match self {
            Self::Folders => writer = Writer::new(1),
            Self::Confined { layers } => {
                writer = Writer::new(2);
                writer.texts(layers);
            }
            Self::Failed { step, message } => {
                writer = Writer::new(3);
                writer.text(step).text(message);
            }
            Self::Exited { status, quiet: None } => {
                writer = Writer::new(4);
                writer.u32(status.cast_unsigned());
            }
            Self::Exited { status, quiet: Some(used) } => {
                writer = Writer::new(8);
                used.write(writer.u32(status.cast_unsigned()));
            }
            Self::Overfull { folder } => {
                writer = Writer::new(5);
                writer.text(folder);
            }
            Self::Quiet(used) => {
                writer = Writer::new(6);
                used.write(&mut writer);
            }
            Self::Network => writer = Writer::new(7),
        }
        writer.into_message()
    }

    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        let message = match reader.u8()? {
            1 => Self::Folders,
            2 => Self::Confined { layers: reader.list(MAX_LAYERS, Reader::text)? },
            3 => Self::Failed { step: reader.text()?, message: reader.text()? },
            4 => Self::Exited { status: reader.u32()?.cast_signed(), quiet: None },
            5 => Self::Overfull { folder: reader.text()? },
            6 => Self::Quiet(Used::read(&mut reader)?),
            7 => Self::Network,
            8 => Self::Exited { status: reader.u32()?.cast_signed(), quiet: Some(Used::read(&mut reader)?) },
            value => return Err(DecodeError::Unknown { what: "message from a cell", value: value.into() }),
        };
        reader.end()?;
        Ok(message)
    }
}

impl Used {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.cpu_micros).u64(self.peak_memory_bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { cpu_micros: reader.u64()?, peak_memory_bytes: reader.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        for message in [
            FromCell::Folders,
            FromCell::Confined { layers: vec!["seccomp".into()] },
            FromCell::Failed { step: "proc".into(), message: "EPERM".into() },
            FromCell::Exited { status: -1, quiet: None },
            FromCell::Exited { status: 9, quiet: Some(Used { cpu_micros: 3, peak_memory_bytes: 4 }) },
            FromCell::Overfull { folder: "/sandbox".into() },
            FromCell::Quiet(Used { cpu_micros: 1, peak_memory_bytes: 2 }),
            FromCell::Network,
        ] {
            assert_eq!(FromCell::decode(&message.encode()), Ok(message));
        }
    }
}
