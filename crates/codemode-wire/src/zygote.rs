//! Daemon ↔ zygote. Both are trusted; neither code nor tool data passes here.

use crate::codec::{DecodeError, Reader, Writer};

/// The longest packet either way.
pub const PACKET_BYTES: usize = 64 << 10;

/// No packet has room for longer lists.
const MAX_ITEMS: u32 = 16_384;

/// What differs from one sandbox to the next. Comes with descriptors, in this order: the guest's end of its channel,
/// stdout, stderr, the cell channel, in tier container with a restricted network the broker's channel, then one
/// `cgroup.procs` per controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spawn {
    pub ticket: u64,
    /// User and group id inside the sandbox.
    pub uid: u32,
    pub sandbox_bytes: u64,
    pub outputs_bytes: u64,
    pub tmp_bytes: u64,
    pub processes: u64,
    pub open_files: u64,
    pub file_size: u64,
    pub cpu_seconds: u64,
    /// RLIMIT_AS, where it stands in for a memory cgroup; 0: none.
    pub address_space: u64,
    pub allow_jit: bool,
    /// Commands of the plan that this sandbox may execute.
    pub commands: Vec<String>,
    pub network: Network,
}

/// What a sandbox has of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    None,
    /// What the engine serves, on these ports besides those of its proxy and its resolver.
    Restricted { ports: Vec<u16> },
    /// The daemon's own.
    All,
}

impl Network {
    pub const fn is_restricted(&self) -> bool {
        matches!(self, Self::Restricted { .. })
    }

    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::None => writer.u8(0),
            Self::All => writer.u8(1),
            Self::Restricted { ports } => {
                writer.u8(2).u32(ports.len() as u32);
                ports.iter().fold(writer, |writer, port| writer.u32((*port).into()))
            }
        };
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = |reader: &mut Reader<'_>| {
            let value = reader.u32()?;
            u16::try_from(value).map_err(|_| DecodeError::Unknown { what: "port", value })
        };
        match reader.u8()? {
            0 => Ok(Self::None),
            1 => Ok(Self::All),
            2 => Ok(Self::Restricted { ports: reader.list(MAX_ITEMS, port)? }),
            value => Err(DecodeError::Unknown { what: "network", value: value.into() }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToZygote {
    /// First of all. Comes with one descriptor: a file that holds the sandbox plan as JSON.
    Boot,
    Spawn(Box<Spawn>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromZygote {
    /// The base root is built and the interpreter warm.
    Ready {
        layers: Vec<String>,
    },
    /// The zygote cannot serve; it ends.
    Failed {
        step: String,
        message: String,
    },
    /// Comes with a pidfd of the cell's init; in tier container of its warden, and with the warden's leash.
    Spawned {
        ticket: u64,
        pid: i32,
    },
    SpawnFailed {
        ticket: u64,
        message: String,
    },
    /// The cell's init, or warden, was reaped: nothing of that pid namespace, or user id, is left.
    Gone {
        ticket: u64,
        cpu_micros: u64,
        peak_memory_bytes: u64,
    },
}

impl ToZygote {
    pub fn encode(&self) -> Vec<u8> {
        let spawn = match self {
            Self::Boot => return Writer::new(2).into_message(),
            Self::Spawn(spawn) => spawn,
        };
        let mut writer = Writer::new(1);
        writer.u64(spawn.ticket).u32(spawn.uid);
        for number in [
            spawn.sandbox_bytes,
            spawn.outputs_bytes,
            spawn.tmp_bytes,
            spawn.processes,
            spawn.open_files,
            spawn.file_size,
            spawn.cpu_seconds,
            spawn.address_space,
        ] {
            writer.u64(number);
        }
        writer.u8(spawn.allow_jit.into()).texts(&spawn.commands);
        spawn.network.encode(&mut writer);
        writer.into_message()
    }

    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        match reader.u8()? {
            1 => {}
            2 => return reader.end().map(|()| Self::Boot),
            value => return Err(DecodeError::Unknown { what: "message to the zygote", value: value.into() }),
        }
        let spawn = Spawn {
            ticket: reader.u64()?,
            uid: reader.u32()?,
            sandbox_bytes: reader.u64()?,
            outputs_bytes: reader.u64()?,
            tmp_bytes: reader.u64()?,
            processes: reader.u64()?,
            open_files: reader.u64()?,
            file_size: reader.u64()?,
            cpu_seconds: reader.u64()?,
            address_space: reader.u64()?,
            allow_jit: reader.flag("allow_jit")?,
            commands: reader.list(MAX_ITEMS, Reader::text)?,
            network: Network::decode(&mut reader)?,
        };
        reader.end()?;
        Ok(Self::Spawn(Box::new(spawn)))
    }
}

impl FromZygote {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer;
        match self {
            Self::Ready { layers } => {
                writer = Writer::new(1);
                writer.texts(layers);
            }
            Self::Failed { step, message } => {
                writer = Writer::new(2);
                writer.text(step).text(message);
            }
            Self::Spawned { ticket, pid } => {
                writer = Writer::new(3);
                writer.u64(*ticket).u32(pid.cast_unsigned());
            }
            Self::SpawnFailed { ticket, message } => {
                writer = Writer::new(4);
                writer.u64(*ticket).text(message);
            }
            Self::Gone { ticket, cpu_micros, peak_memory_bytes } => {
                writer = Writer::new(5);
                writer.u64(*ticket).u64(*cpu_micros).u64(*peak_memory_bytes);
            }
        }
        writer.into_message()
    }

    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        let message = match reader.u8()? {
            1 => Self::Ready { layers: reader.list(MAX_ITEMS, Reader::text)? },
            2 => Self::Failed { step: reader.text()?, message: reader.text()? },
            3 => Self::Spawned { ticket: reader.u64()?, pid: reader.u32()?.cast_signed() },
            4 => Self::SpawnFailed { ticket: reader.u64()?, message: reader.text()? },
            5 => Self::Gone { ticket: reader.u64()?, cpu_micros: reader.u64()?, peak_memory_bytes: reader.u64()? },
            value => return Err(DecodeError::Unknown { what: "message from the zygote", value: value.into() }),
        };
        reader.end()?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let spawn = Spawn { ticket: 7, uid: 60_001, commands: vec!["grep".into()], ..Spawn::default() };
        let message = ToZygote::Spawn(Box::new(spawn));
        assert_eq!(ToZygote::decode(&message.encode()), Ok(message));
        for message in [
            FromZygote::Ready { layers: vec!["removed: a".into()] },
            FromZygote::Failed { step: "root".into(), message: "EPERM".into() },
            FromZygote::Spawned { ticket: 1, pid: 2 },
            FromZygote::SpawnFailed { ticket: 1, message: "EAGAIN".into() },
            FromZygote::Gone { ticket: 1, cpu_micros: 2, peak_memory_bytes: 3 },
        ] {
            assert_eq!(FromZygote::decode(&message.encode()), Ok(message));
        }
    }
}
