//! Daemon ↔ the process of the executed code. What comes from there is data of that execution, possibly hostile.

use codemode_types::{ExecutionFailure, Globals, ToolSpec};

use crate::codec::{DecodeError, Reader, Writer};

/// Beyond the value itself, what a frame from the guest may carry: names, warnings, a traceback.
pub const FRAME_OVERHEAD_BYTES: usize = 1 << 20;

/// How long the lists may be.
const MAX_TOOLS: u32 = 10_000;
const MAX_COMMANDS: u32 = 10_000;
const MAX_WARNINGS: u32 = 128;

/// Everything an execution needs, sent to a parked sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    pub code: String,
    /// What tracebacks call the code.
    pub filename: String,
    pub tools: Vec<ToolSpec>,
    pub context: Vec<u8>,
    pub config: Vec<u8>,
    pub allow_direct_execution: bool,
    pub allowed_commands: Vec<String>,
    pub result_bytes: u64,
    pub value_bytes: u64,
    /// Whether the calls of tools in the code are looked at before it runs.
    pub check_tools: bool,
    pub globals: Globals,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGuest {
    Start(Box<Start>),
    /// `Ok`: the value. `Err`: JSON of the failure, see the guest's `tools` module.
    ToolAnswer {
        call_id: u64,
        answer: Result<Vec<u8>, Vec<u8>>,
    },
    /// Behind this frame come the next bytes of the value that the call is answered with, as they are. Parts of several
    /// answers may alternate; a `ToolAnswer` for the same call takes the place of all of them.
    AnswerPart {
        call_id: u64,
        /// Of the whole value; the same in each part.
        total: u64,
        /// How many bytes follow.
        length: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishKind {
    Ok,
    Error,
    ResultTooLarge,
    /// An error that the code did not catch, and that speaks of a limit.
    Limit(Limit),
}

/// A limit that the code meets as an ordinary error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Memory,
    Disk,
    FileSize,
    Processes,
    OpenFiles,
    ToolCalls,
}

impl FinishKind {
    /// In the order of their numbers, each with the guest's word for it.
    const ALL: [(Self, &'static str); 9] = [
        (Self::Ok, "ok"),
        (Self::Error, "error"),
        (Self::ResultTooLarge, "result_too_large"),
        (Self::Limit(Limit::Memory), "memory_limit"),
        (Self::Limit(Limit::Disk), "disk_limit"),
        (Self::Limit(Limit::FileSize), "file_size_limit"),
        (Self::Limit(Limit::Processes), "process_limit"),
        (Self::Limit(Limit::OpenFiles), "open_files_limit"),
        (Self::Limit(Limit::ToolCalls), "tool_call_limit"),
    ];

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    fn number(self) -> u8 {
        (0..).zip(Self::ALL).find(|(_, (kind, _))| *kind == self).map_or(1, |(number, _)| number)
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(kind, _)| *kind)
    }
}

/// What the code says about its own end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub kind: FinishKind,
    pub exit_code: i32,
    pub result: Option<Vec<u8>>,
    pub variables: Option<Vec<u8>>,
    pub failure: Option<ExecutionFailure>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromGuest {
    ToolCall { call_id: u64, name: String, arguments: Vec<u8> },
    Violation { kind: String, detail: String },
    Finish(Box<Finish>),
}

impl ToGuest {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Start(start) => encode_start(start),
            Self::ToolAnswer { call_id, answer } => {
                let mut writer = Writer::framed(2);
                writer.u64(*call_id);
                match answer {
                    Ok(value) => writer.u8(1).bytes(value),
                    Err(failure) => writer.u8(0).bytes(failure),
                };
                writer.into_frame()
            }
            Self::AnswerPart { call_id, total, length } => {
                let mut writer = Writer::framed(3);
                writer.u64(*call_id).u64(*total).u32(*length);
                writer.into_frame()
            }
        }
    }

    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let message = match reader.u8()? {
            1 => Self::Start(Box::new(decode_start(&mut reader)?)),
            2 => {
                let call_id = reader.u64()?;
                let ok = reader.flag("tool answer")?;
                let payload = reader.bytes()?;
                Self::ToolAnswer { call_id, answer: if ok { Ok(payload) } else { Err(payload) } }
            }
            3 => Self::AnswerPart { call_id: reader.u64()?, total: reader.u64()?, length: reader.u32()? },
            value => return Err(DecodeError::Unknown { what: "message to the guest", value: value.into() }),
        };
        reader.end()?;
        Ok(message)
    }
}

fn encode_start(start: &Start) -> Vec<u8> {
    let mut writer = Writer::framed(1);
    writer.text(&start.code).text(&start.filename);
    writer.u32(u32::try_from(start.tools.len()).unwrap_or(u32::MAX));
    for tool in &start.tools {
        writer
            .text(&tool.name)
            .text(&tool.description)
            .option(tool.input_schema.as_deref())
            .option(tool.output_schema.as_deref())
            .u8(tool.is_async.into())
            .u8(tool.has_context.into());
    }
    writer
        .bytes(&start.context)
        .bytes(&start.config)
        .u8(start.allow_direct_execution.into())
        .texts(&start.allowed_commands)
        .u64(start.result_bytes)
        .u64(start.value_bytes)
        .u8(start.check_tools.into())
        .bytes(&start.globals.variables)
        .u8(start.globals.keep_variables.into())
        .u8(start.globals.bare_tools.into());
    writer.into_frame()
}

fn decode_start(reader: &mut Reader<'_>) -> Result<Start, DecodeError> {
    Ok(Start {
        code: reader.text()?,
        filename: reader.text()?,
        tools: reader.list(MAX_TOOLS, |reader| {
            Ok(ToolSpec {
                name: reader.text()?,
                description: reader.text()?,
                input_schema: reader.option()?,
                output_schema: reader.option()?,
                is_async: reader.flag("is_async")?,
                has_context: reader.flag("has_context")?,
                // The engine's business.
                timeout: None,
            })
        })?,
        context: reader.bytes()?,
        config: reader.bytes()?,
        allow_direct_execution: reader.flag("allow_direct_execution")?,
        allowed_commands: reader.list(MAX_COMMANDS, Reader::text)?,
        result_bytes: reader.u64()?,
        value_bytes: reader.u64()?,
        check_tools: reader.flag("check_tools")?,
        globals: Globals {
            variables: reader.bytes()?,
            keep_variables: reader.flag("keep_variables")?,
            bare_tools: reader.flag("bare_tools")?,
        },
    })
}

impl FromGuest {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::ToolCall { call_id, name, arguments } => {
                let mut writer = Writer::framed(1);
                writer.u64(*call_id).text(name).bytes(arguments);
                writer.into_frame()
            }
            Self::Violation { kind, detail } => {
                let mut writer = Writer::framed(2);
                writer.text(kind).text(detail);
                writer.into_frame()
            }
            Self::Finish(finish) => encode_finish(finish),
        }
    }

    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let message = match reader.u8()? {
            1 => Self::ToolCall { call_id: reader.u64()?, name: reader.text()?, arguments: reader.bytes()? },
            2 => Self::Violation { kind: reader.text()?, detail: reader.text()? },
            3 => Self::Finish(Box::new(decode_finish(&mut reader)?)),
            value => return Err(DecodeError::Unknown { what: "message from the guest", value: value.into() }),
        };
        reader.end()?;
        Ok(message)
    }
}

fn encode_finish(finish: &Finish) -> Vec<u8> {
    let mut writer = Writer::framed(3);
    writer.u8(finish.kind.number());
    writer.u32(finish.exit_code.cast_unsigned()).option(finish.result.as_deref());
    writer.option(finish.variables.as_deref());
    match &finish.failure {
        Some(failure) => {
            writer.u8(1).text(&failure.error_type).text(&failure.message).text(&failure.traceback);
            writer.u32(failure.line.unwrap_or(0));
        }
        None => {
            writer.u8(0);
        }
    }
    writer.texts(&finish.warnings);
    writer.into_frame()
}

fn decode_finish(reader: &mut Reader<'_>) -> Result<Finish, DecodeError> {
    let number = reader.u8()?;
    let unknown = || DecodeError::Unknown { what: "kind of finish", value: number.into() };
    let kind = FinishKind::from_number(number).ok_or_else(unknown)?;
    let exit_code = reader.u32()?.cast_signed();
    let result = reader.option()?;
    let variables = reader.option()?;
    let failure = if reader.flag("failure")? {
        Some(ExecutionFailure {
            error_type: reader.text()?,
            message: reader.text()?,
            traceback: reader.text()?,
            line: Some(reader.u32()?).filter(|line| *line > 0),
        })
    } else {
        None
    };
    Ok(Finish { kind, exit_code, result, variables, failure, warnings: reader.list(MAX_WARNINGS, Reader::text)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HEADER_BYTES;

    fn finish() -> FromGuest {
        FromGuest::Finish(Box::new(Finish {
            kind: FinishKind::Error,
            exit_code: -1,
            result: Some(b"4".to_vec()),
            variables: Some(b"{}".to_vec()),
            failure: Some(ExecutionFailure {
                error_type: "ValueError".into(),
                message: "no".into(),
                traceback: "…".into(),
                line: Some(3),
            }),
            warnings: vec!["w".into()],
        }))
    }

    #[test]
    fn messages_survive_the_wire() {
        for message in [
            finish(),
            FromGuest::ToolCall { call_id: 9, name: "weather".into(), arguments: b"{}".to_vec() },
            FromGuest::Violation { kind: "unauthorized_path".into(), detail: "/etc/passwd".into() },
        ] {
            assert_eq!(FromGuest::decode(&message.encode()[HEADER_BYTES..]), Ok(message));
        }
        let tool = ToolSpec {
            name: "t".into(),
            description: "d".into(),
            input_schema: Some(b"{}".to_vec()),
            output_schema: None,
            is_async: true,
            ..ToolSpec::default()
        };
        for message in [
            ToGuest::Start(Box::new(Start { code: "2 + 2".into(), tools: vec![tool], ..Start::default() })),
            ToGuest::ToolAnswer { call_id: 1, answer: Err(b"{}".to_vec()) },
            ToGuest::AnswerPart { call_id: 1, total: 1 << 40, length: 9 },
        ] {
            assert_eq!(ToGuest::decode(&message.encode()[HEADER_BYTES..]), Ok(message));
        }
    }

    #[test]
    fn every_kind_of_end_survives_the_wire_and_has_a_word() {
        for (kind, word) in FinishKind::ALL {
            assert_eq!(FinishKind::from_word(word), Some(kind));
            let said = FromGuest::Finish(Box::new(Finish {
                kind,
                exit_code: 1,
                result: None,
                variables: None,
                failure: None,
                warnings: vec![],
            }));
            assert_eq!(FromGuest::decode(&said.encode()[HEADER_BYTES..]), Ok(said));
        }
        assert_eq!((FinishKind::from_word("killed"), FinishKind::from_number(9)), (None, None));
    }

    #[test]
    fn a_list_does_not_grow_past_its_bound() {
        let finish = Finish {
            kind: FinishKind::Ok,
            exit_code: 0,
            result: None,
            variables: None,
            failure: None,
            warnings: vec![String::new(); 129],
        };
        let frame = FromGuest::Finish(Box::new(finish)).encode();
        let answer = FromGuest::decode(&frame[HEADER_BYTES..]);
        assert_eq!(answer, Err(DecodeError::TooMany { announced: 129, limit: 128 }));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_error_or_a_message() {
        let frame = finish().encode();
        let body = &frame[HEADER_BYTES..];
        for end in 0..body.len() {
            assert!(FromGuest::decode(&body[..end]).is_err());
        }
        for position in 0..body.len() {
            let mut flipped = body.to_vec();
            flipped[position] ^= 0xff;
            let _ = FromGuest::decode(&flipped);
        }
    }
}
