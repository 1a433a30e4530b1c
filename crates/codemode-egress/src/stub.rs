//! The sandbox's only resolver. It asks nobody: an allowed name gets a fake address of this execution, and a connection
//! to that address is then made by name. So neither a name nor a label of it leaves the machine as a question.

mod connection;
mod table;

use std::net::Ipv4Addr;

use codemode_types::domain::{DomainName, Host, Permission};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
    serialize::binary::{BinDecodable, BinDecoder},
};

pub(crate) use connection::{Names, Stub};
pub use table::Table;

/// No question and no answer here is longer.
pub const MESSAGE_BYTES: usize = 4096;
/// How long a program may keep a fake address, in seconds. It stays valid for the whole execution anyway.
const TTL: u32 = 60;
const HEADER_BYTES: usize = 12;

/// What becomes of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What to send back. Nothing: the peer does not speak DNS, and the connection ends.
    pub message: Option<Vec<u8>>,
    /// The name that was refused.
    pub refused: Option<Refused>,
}

/// A name that the policy does not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// In normal form; a name that has none, with everything escaped that is not plain.
    pub host: String,
    /// Never `Allowed`.
    pub permission: Permission,
}

const LOCALHOST: &str = "localhost";

/// Answers one question; `judge` is the policy. Asks nobody.
pub fn answer(question: &[u8], table: &mut Table, judge: &dyn Fn(&Host) -> Permission) -> Reply {
    let Some(header) = Header::read(question) else { return Reply { message: None, refused: None } };
    let mut message = header.response();
    let refused = match header.parse(question) {
        Ok((query, edns)) => {
            message.edns = edns.as_ref().map(answered_edns);
            message.add_query(query.clone());
            match edns {
                Some(edns) if edns.version() > 0 => {
                    message.metadata.response_code = ResponseCode::BADVERS;
                    None
                }
                _ => fill(&mut message, &query, table, judge),
            }
        }
        Err(code) => {
            message.metadata.response_code = code;
            None
        }
    };
    let message = message.to_vec().ok().filter(|message| message.len() <= MESSAGE_BYTES);
    Reply { message, refused }
}

/// What is read before anything is parsed, so that counts which lie cost nothing.
struct Header {
    id: u16,
    op_code: OpCode,
    recursion_desired: bool,
    checking_disabled: bool,
    /// One question, no records but one in the additional section.
    is_plain: bool,
}

impl Header {
    fn read(question: &[u8]) -> Option<Self> {
        let header = question.first_chunk::<HEADER_BYTES>()?;
        let word = |position: usize| u16::from_be_bytes([header[position], header[position + 1]]);
        let is_response = header[2] & 0x80 != 0;
        (!is_response).then(|| Self {
            id: word(0),
            op_code: OpCode::from_u8(header[2] >> 3 & 0x0f),
            recursion_desired: header[2] & 0x01 != 0,
            checking_disabled: header[3] & 0x10 != 0,
            is_plain: (word(4), word(6), word(8)) == (1, 0, 0) && word(10) <= 1,
        })
    }

    fn response(&self) -> Message {
        let mut message = Message::new(self.id, MessageType::Response, self.op_code);
        message.metadata.recursion_desired = self.recursion_desired;
        message.metadata.checking_disabled = self.checking_disabled;
        message.metadata.recursion_available = true;
        message
    }

    fn parse(&self, question: &[u8]) -> Result<(Query, Option<Edns>), ResponseCode> {
        if self.op_code != OpCode::Query {
            return Err(ResponseCode::NotImp);
        }
        if !self.is_plain || question.len() > MESSAGE_BYTES {
            return Err(ResponseCode::FormErr);
        }
        let mut decoder = BinDecoder::new(question);
        let mut message = Message::read(&mut decoder).map_err(|_| ResponseCode::FormErr)?;
        let is_whole = decoder.is_empty() && message.additionals.is_empty() && message.signature.is_none();
        let query = message.queries.pop().filter(|_| is_whole).ok_or(ResponseCode::FormErr)?;
        Ok((query, message.edns))
    }
}

/// Version and size are ours, options are not answered; DO is copied (RFC 3225) and changes nothing.
fn answered_edns(asked: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(MESSAGE_BYTES as u16).set_dnssec_ok(asked.flags().dnssec_ok);
    edns
}

fn fill(
    message: &mut Message,
    query: &Query,
    table: &mut Table,
    judge: &dyn Fn(&Host) -> Permission,
) -> Option<Refused> {
    let code = &mut message.metadata.response_code;
    if query.query_class() != DNSClass::IN {
        *code = ResponseCode::Refused;
        return None;
    }
    if query.query_type() == RecordType::PTR
        && let Some(address) = loopback_of(&query.name)
    {
        match table.name_of(address).and_then(|name| Name::from_ascii(format!("{name}.")).ok()) {
            Some(name) => {
                message.add_answer(Record::from_rdata(query.name.clone(), TTL, RData::PTR(rdata::PTR(name))));
            }
            None => *code = ResponseCode::NXDomain,
        }
        return None;
    }
    if strict(&query.name).is_some_and(|name| name.as_str() == LOCALHOST) {
        // RFC 6761: no policy's business. Without a hosts file nobody else says so.
        if query.query_type() == RecordType::A {
            let address = rdata::A(Ipv4Addr::LOCALHOST);
            message.add_answer(Record::from_rdata(query.name.clone(), TTL, RData::A(address)));
        }
        return None;
    }
    let name = match allowed(&query.name, judge) {
        Ok(name) => name,
        Err(refused) => {
            *code = ResponseCode::NXDomain;
            return Some(refused);
        }
    };
    match query.query_type() {
        RecordType::A => match table.address_of(&name) {
            Some(address) => {
                message.add_answer(Record::from_rdata(query.name.clone(), TTL, RData::A(rdata::A(address))));
            }
            None => *code = ResponseCode::ServFail,
        },
        RecordType::ANY | RecordType::AXFR | RecordType::IXFR => *code = ResponseCode::Refused,
        RecordType::OPT | RecordType::TSIG => *code = ResponseCode::FormErr,
        // The name exists and has no such record: there is no IPv6 inside, and HTTPS records would name other hosts.
        _ => {}
    }
    None
}

fn allowed(name: &Name, judge: &dyn Fn(&Host) -> Permission) -> Result<DomainName, Refused> {
    let Some(name) = strict(name) else {
        return Err(Refused { host: escaped(name), permission: Permission::NotListed });
    };
    match judge(&Host::Name(name.clone())) {
        Permission::Allowed => Ok(name),
        permission => Err(Refused { host: name.to_string(), permission }),
    }
}

/// The name, if each label is one. A label may hold any byte; one with a dot in it must not become two.
fn strict(name: &Name) -> Option<DomainName> {
    let is_plain = |label: &&[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let labels = name.iter().map(|label| Some(label).filter(is_plain).and_then(|label| str::from_utf8(label).ok()));
    DomainName::parse(&labels.collect::<Option<Vec<_>>>()?.join(".")).ok()
}

fn escaped(name: &Name) -> String {
    let label = |label: &[u8]| label.escape_ascii().to_string().replace('.', "\\x2e");
    name.iter().map(label).collect::<Vec<_>>().join(".")
}

/// `4.3.2.127.in-addr.arpa` is 127.2.3.4.
fn loopback_of(name: &Name) -> Option<Ipv4Addr> {
    let name = strict(name)?;
    let octets = name.as_str().strip_suffix(".in-addr.arpa")?;
    let mut octets: Vec<&str> = octets.split('.').collect();
    octets.reverse();
    octets.join(".").parse().ok().filter(Ipv4Addr::is_loopback)
}

#[cfg(test)]
#[path = "stub_tests.rs"]
mod tests;
