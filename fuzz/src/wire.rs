//! Frames and messages between the executor, its zygotes and its sandboxes.

use std::fmt::Debug;

use codemode_wire::{
    DecodeError, FrameDecoder, FrameTooLong, HEADER_BYTES,
    broker::{Answer, Ask},
    cell::FromCell,
    guest::{FromGuest, ToGuest},
    zygote::{FromZygote, ToZygote},
};

use super::choices::Choices;

const LONGEST_BODY: usize = 300;
const LONGEST_ERROR: usize = 120;

/// However a stream arrives, it gives the frames that it gives when read as a whole. The first four bytes say how long
/// the pieces are that it arrives in.
pub fn frames(input: &[u8]) {
    let mut choices = Choices::new(input);
    let pieces: [usize; 4] = std::array::from_fn(|_| usize::from(choices.byte()));
    let stream = choices.bytes(usize::MAX);
    let (expected, end) = cut(stream);

    let mut decoder = FrameDecoder::new(LONGEST_BODY);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut rest = stream;
    for piece in pieces.iter().cycle() {
        // Four empty pieces would never end.
        let (head, tail) = rest.split_at((*piece).max(usize::from(pieces == [0; 4])).min(rest.len()));
        decoder.push(head);
        rest = tail;
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(End::TooLong(error), end);
                    assert_eq!(found, expected);
                    assert!(decoder.next_frame().is_err(), "a broken stream stays broken");
                    return;
                }
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(found, expected);
    assert_eq!(End::Open { mid_frame: decoder.is_mid_frame() }, end);
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Open { mid_frame: bool },
    TooLong(FrameTooLong),
}

fn cut(mut stream: &[u8]) -> (Vec<Vec<u8>>, End) {
    let mut bodies = Vec::new();
    loop {
        let open = End::Open { mid_frame: !stream.is_empty() };
        let Some((header, rest)) = stream.split_at_checked(HEADER_BYTES) else { return (bodies, open) };
        let announced = header.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if announced > LONGEST_BODY {
            return (bodies, End::TooLong(FrameTooLong { announced, limit: LONGEST_BODY }));
        }
        let Some((body, rest)) = rest.split_at_checked(announced) else { return (bodies, open) };
        bodies.push(body.to_vec());
        stream = rest;
    }
}

/// No bytes upset a decoder, and what it accepts has exactly one spelling: the one that it came in.
pub fn messages(body: &[u8]) {
    check(body, FromGuest::decode, |message| unframed(&message.encode()));
    check(body, ToGuest::decode, |message| unframed(&message.encode()));
    check(body, FromCell::decode, FromCell::encode);
    check(body, ToZygote::decode, ToZygote::encode);
    check(body, FromZygote::decode, FromZygote::encode);
    check(body, Ask::decode, Ask::encode);
    check(body, Answer::decode, Answer::encode);
}

fn check<M: Debug>(body: &[u8], decode: fn(&[u8]) -> Result<M, DecodeError>, encode: impl Fn(&M) -> Vec<u8>) {
    match decode(body) {
        Ok(message) => assert_eq!(encode(&message), body, "{message:?}"),
        Err(error) => assert!(error.to_string().len() < LONGEST_ERROR, "{error}"),
    }
}

fn unframed(frame: &[u8]) -> Vec<u8> {
    let mut decoder = FrameDecoder::new(usize::MAX);
    decoder.push(frame);
    let body = decoder.next_frame().expect("within the limit").expect("a whole frame").to_vec();
    assert!(!decoder.is_mid_frame(), "a message is one frame");
    body
}
