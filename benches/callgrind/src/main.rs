//! `codemode-callgrind SUBJECT COUNT`: does one thing so many times, and nothing else that grows with the count. Without
//! arguments, the subjects by name.

use std::{env, hint::black_box, process::ExitCode};

use codemode_proto::v1;
use codemode_types::{LimitOverrides, ToolSpec};
use codemode_wire::{
    FrameDecoder,
    guest::{Finish, FinishKind, FromGuest, Start, ToGuest},
};
use prost::Message;

/// Longer than any of the messages.
const FRAME_LIMIT: usize = 1 << 20;

type Work = Box<dyn FnMut()>;
/// Makes what it needs, and gives what is to be counted.
type Prepare = fn() -> Work;

const SUBJECTS: [(&str, Prepare); 8] = [
    ("request to the wire", request_to_wire),
    ("request from the wire", request_from_wire),
    ("start to the guest", start_to_guest),
    ("start in the guest", || read_by_guest(&ToGuest::Start(Box::new(start())))),
    ("tool call from the guest", || read_from_guest(&call())),
    ("tool call to the client's wire", call_to_wire),
    ("tool answer to the guest", answer_to_guest),
    ("finish from the guest", || read_from_guest(&finish())),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [subject, count] = arguments.as_slice() else {
        SUBJECTS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let found = SUBJECTS.iter().find(|(name, _)| name == subject);
    let (Some((_, prepare)), Ok(count)) = (found, count.parse::<u32>()) else {
        eprintln!("there is no subject {subject}, or {count} is no number");
        return ExitCode::FAILURE;
    };
    let mut work = prepare();
    (0..count).for_each(|_| work());
    ExitCode::SUCCESS
}

fn tools() -> Vec<ToolSpec> {
    let schema = br#"{"type":"object","properties":{"value":{"type":"integer"}},"required":["value"]}"#;
    (0..10)
        .map(|number| ToolSpec {
            name: format!("tool_{number}"),
            description: "The value itself.".into(),
            input_schema: Some(schema.to_vec()),
            ..ToolSpec::default()
        })
        .collect()
}

fn request() -> v1::ClientMessage {
    let start = v1::Start {
        code: b"2 + 2".to_vec(),
        tools: tools().into_iter().map(Into::into).collect(),
        context: br#"{"user":1}"#.to_vec(),
        code_timeout_ms: Some(30_000),
        ..v1::Start::default()
    };
    v1::ClientMessage { execution_id: "0199f3e2-7c41-7b7e-9d2a-1f0c5e8d4b6a".into(), message: Some(start.into()) }
}

fn request_to_wire() -> Work {
    Box::new(|| drop(black_box(request().encode_to_vec())))
}

fn request_from_wire() -> Work {
    let encoded = request().encode_to_vec();
    Box::new(move || {
        let message = v1::ClientMessage::decode(black_box(encoded.as_slice())).expect("it was encoded here");
        let Some(v1::client_message::Message::Start(start)) = message.message else { unreachable!("it is a start") };
        black_box(LimitOverrides::try_from(&start).expect("its limits are valid"));
        let tools: Result<Vec<ToolSpec>, _> = start.tools.into_iter().map(ToolSpec::try_from).collect();
        black_box(tools.expect("its tools are valid"));
    })
}

fn start() -> Start {
    Start {
        code: "2 + 2".into(),
        filename: "main.py".into(),
        tools: tools(),
        context: br#"{"user":1}"#.to_vec(),
        result_bytes: 16 << 20,
        value_bytes: 16 << 20,
        check_tools: true,
        ..Start::default()
    }
}

fn start_to_guest() -> Work {
    let message = ToGuest::Start(Box::new(start()));
    Box::new(move || drop(black_box(black_box(&message).encode())))
}

fn call() -> FromGuest {
    FromGuest::ToolCall { call_id: 7, name: "tool_3".into(), arguments: br#"{"value":12}"#.to_vec() }
}

fn finish() -> FromGuest {
    FromGuest::Finish(Box::new(Finish {
        kind: FinishKind::Ok,
        exit_code: 0,
        result: Some(b"4".to_vec()),
        variables: None,
        failure: None,
        warnings: vec![],
    }))
}

fn read_from_guest(message: &FromGuest) -> Work {
    let frame = message.encode();
    let mut decoder = FrameDecoder::new(FRAME_LIMIT);
    Box::new(move || {
        decoder.push(black_box(&frame));
        let body = decoder.next_frame().expect("it is short").expect("it is whole");
        black_box(FromGuest::decode(body).expect("it was encoded here"));
    })
}

fn read_by_guest(message: &ToGuest) -> Work {
    let frame = message.encode();
    let mut decoder = FrameDecoder::new(FRAME_LIMIT);
    Box::new(move || {
        decoder.push(black_box(&frame));
        let body = decoder.next_frame().expect("it is short").expect("it is whole");
        black_box(ToGuest::decode(body).expect("it was encoded here"));
    })
}

fn call_to_wire() -> Work {
    Box::new(|| {
        let call = v1::ToolCall {
            call_id: 7,
            name: "tool_3".into(),
            arguments: br#"{"value":12}"#.to_vec(),
            timeout_ms: 60_000,
        };
        drop(black_box(v1::ServerMessage::new("0199f3e2-7c41-7b7e-9d2a-1f0c5e8d4b6a", call).encode_to_vec()));
    })
}

fn answer_to_guest() -> Work {
    let message = ToGuest::ToolAnswer { call_id: 7, answer: Ok(b"12".to_vec()) };
    Box::new(move || drop(black_box(black_box(&message).encode())))
}
