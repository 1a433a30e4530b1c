//! Questions to the sandbox's stub resolver.

use std::net::{IpAddr, Ipv4Addr};

use codemode_egress::stub::{MESSAGE_BYTES, Reply, Table, answer};
use codemode_types::domain::{Host, Permission};
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record},
};

const HEADER_BYTES: usize = 12;
/// Each of the 255 bytes of a name, escaped.
const LONGEST_HOST: usize = 4 * 255;

/// Whatever is asked, the answer is DNS, small, and holds no address but a fake one, for the very name that was asked for.
pub fn stub(question: &[u8]) {
    let mut table = Table::starting_at(0);
    let reply = answer(question, &mut table, &judge);
    assert_eq!(answer(question, &mut table, &judge), reply, "an answer that changes");
    let Reply { message, refused } = reply;
    let Some(message) = message else {
        assert!(question.len() < HEADER_BYTES || question[2] & 0x80 != 0, "a question without an answer");
        assert_eq!(refused, None);
        return;
    };
    assert!(message.len() <= MESSAGE_BYTES);
    let message = Message::from_vec(&message).expect("an answer that is DNS");
    assert_eq!(message.metadata.id.to_be_bytes(), question[..2]);
    assert_eq!(message.metadata.message_type, MessageType::Response);
    assert!(message.authorities.is_empty() && message.additionals.is_empty() && message.answers.len() <= 1);
    if let Some(refused) = refused {
        assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
        assert!(message.answers.is_empty());
        assert_ne!(refused.permission, Permission::Allowed);
        assert!(refused.host.len() <= LONGEST_HOST && refused.host.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    for record in &message.answers {
        check(record, question, &table);
    }
}

/// By a part of the name that any question can have.
fn judge(host: &Host) -> Permission {
    match host {
        Host::Name(name) if name.as_str().contains('b') => Permission::Blocked,
        Host::Name(name) if name.as_str().starts_with('a') => Permission::Allowed,
        _ => Permission::NotListed,
    }
}

/// Only one name was ever asked for, so no reverse question has an answer.
fn check(record: &Record, question: &[u8], table: &Table) {
    let RData::A(_) = record.data else { panic!("an answer that is no address: {record}") };
    let Some(IpAddr::V4(address)) = record.data.ip_addr() else { panic!("an address that is none: {record}") };
    assert!(address.is_loopback() && address > Ipv4Addr::new(127, 0, 255, 255), "{address}");
    let name = table.name_of(address).expect("an address that was given out");
    assert_eq!(judge(&Host::Name(name.clone())), Permission::Allowed);
    let labels = labels(question).expect("an answer to a question without a name");
    assert!(labels.iter().all(|label| !label.contains(&b'.')), "{labels:?}");
    assert_eq!(labels.join(&b'.').to_ascii_lowercase(), name.as_str().as_bytes());
}

/// The name in a question, read once more. There is nothing before it that a pointer could lead to.
fn labels(question: &[u8]) -> Option<Vec<&[u8]>> {
    let mut labels = Vec::new();
    let mut rest = question.get(HEADER_BYTES..)?;
    loop {
        let (length, tail) = rest.split_first()?;
        match length {
            0 => return Some(labels),
            1..=63 => {
                let (label, tail) = tail.split_at_checked(usize::from(*length))?;
                labels.push(label);
                rest = tail;
            }
            _ => return None,
        }
    }
}
