use hickory_proto::rr::RecordType;

use super::*;

/// Wire form of a question, with the labels as they are.
fn question(labels: &[&[u8]], kind: u16, class: u16) -> Vec<u8> {
    let mut question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for label in labels {
        question.push(label.len() as u8);
        question.extend_from_slice(label);
    }
    question.push(0);
    question.extend_from_slice(&kind.to_be_bytes());
    question.extend_from_slice(&class.to_be_bytes());
    question
}

fn about(name: &str, kind: RecordType) -> Vec<u8> {
    question(&name.split('.').map(str::as_bytes).collect::<Vec<_>>(), kind.into(), 1)
}

/// Allows `example.com` and what is below it, but blocks `bad.example.com`.
fn judge(host: &Host) -> Permission {
    let text = host.to_string();
    match text == "example.com" || text.ends_with(".example.com") {
        _ if text == "bad.example.com" => Permission::Blocked,
        true => Permission::Allowed,
        false => Permission::NotListed,
    }
}

fn ask(table: &mut Table, question: &[u8]) -> (Message, Option<Refused>) {
    let Reply { message, refused } = answer(question, table, &judge);
    let message = Message::from_vec(&message.expect("an answer")).expect("a message");
    assert_eq!(message.metadata.id, 0x1234);
    assert_eq!(message.metadata.message_type, MessageType::Response);
    (message, refused)
}

fn code(question: &[u8]) -> (ResponseCode, Option<Refused>) {
    let (message, refused) = ask(&mut Table::new(), question);
    assert!(message.answers.is_empty());
    (message.metadata.response_code, refused)
}

fn refusal(host: &str, permission: Permission) -> (ResponseCode, Option<Refused>) {
    (ResponseCode::NXDomain, Some(Refused { host: host.to_owned(), permission }))
}

#[test]
fn localhost_is_what_it_is_everywhere() {
    let (message, refused) = ask(&mut Table::new(), &about("LocalHost", RecordType::A));
    let addresses: Vec<_> = message.answers.iter().filter_map(|record| record.data.ip_addr()).collect();
    assert_eq!((addresses, refused), (vec![Ipv4Addr::LOCALHOST.into()], None));
    assert_eq!(code(&about("localhost", RecordType::AAAA)), (ResponseCode::NoError, None));
    assert_eq!(code(&about("x.localhost", RecordType::A)), refusal("x.localhost", Permission::NotListed));
}

#[test]
fn an_allowed_name_has_one_fake_address() {
    let mut table = Table::new();
    let (message, refused) = ask(&mut table, &about("API.example.com", RecordType::A));
    assert_eq!(refused, None);
    assert_eq!(message.metadata.response_code, ResponseCode::NoError);
    assert!(message.metadata.recursion_available && message.metadata.recursion_desired);
    assert_eq!(message.queries[0].name().to_string(), "API.example.com.", "the question as it was asked");
    let [record] = &message.answers[..] else { panic!("{message}") };
    let Some(std::net::IpAddr::V4(address)) = record.data.ip_addr() else { panic!("{record}") };
    assert!(address.is_loopback() && address.octets()[1] > 0);
    assert_eq!((record.name.to_string().as_str(), record.ttl), ("API.example.com.", TTL));
    assert_eq!(table.name_of(address).unwrap().as_str(), "api.example.com");

    let (again, _) = ask(&mut table, &about("api.example.com", RecordType::A));
    assert_eq!(again.answers[0].data, record.data, "in every spelling");
}

#[test]
fn an_allowed_name_has_nothing_else() {
    for kind in
        [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::CNAME, RecordType::NS]
    {
        assert_eq!(code(&about("api.example.com", kind)), (ResponseCode::NoError, None), "{kind}");
    }
    for kind in [RecordType::ANY, RecordType::AXFR, RecordType::IXFR] {
        assert_eq!(code(&about("api.example.com", kind)), (ResponseCode::Refused, None), "{kind}");
    }
}

#[test]
fn a_refused_name_does_not_exist_whatever_is_asked_of_it() {
    for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::ANY, RecordType::HTTPS] {
        assert_eq!(code(&about("secret.evil.test", kind)), refusal("secret.evil.test", Permission::NotListed));
        assert_eq!(code(&about("Bad.Example.Com", kind)), refusal("bad.example.com", Permission::Blocked));
    }
    assert_eq!(code(&about("10.1.2.3", RecordType::A)), refusal("10.1.2.3", Permission::NotListed));
    assert_eq!(code(&question(&[], 1, 1)), refusal("", Permission::NotListed));
}

#[test]
fn a_label_with_other_bytes_does_not_become_another_name() {
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"api.example", b"com"], r"api\x2eexample.com"),
        (&[b"evil", b".example.com"], r"evil.\x2eexample\x2ecom"),
        (&[b"evil.test\0", b"example", b"com"], r"evil\x2etest\x00.example.com"),
        (&[b"a\\.b", b"example", b"com"], r"a\\\x2eb.example.com"),
        (&[b"_srv", b"example", b"com"], r"_srv.example.com"),
        (&[b"*", b"example", b"com"], r"*.example.com"),
        (&["bücher".as_bytes(), b"example", b"com"], r"b\xc3\xbccher.example.com"),
        (&[b"-a", b"example", b"com"], r"-a.example.com"),
        (&[b"a b", b"example", b"com"], r"a b.example.com"),
        (&[b"\xff", b"example", b"com"], r"\xff.example.com"),
    ];
    for (labels, host) in cases {
        assert_eq!(code(&question(labels, 1, 1)), refusal(host, Permission::NotListed));
    }
}

#[test]
fn what_is_no_question_of_ours_gets_an_error_of_its_own() {
    assert_eq!(code(&question(&[b"version", b"bind"], 16, 3)).0, ResponseCode::Refused, "class CH");
    assert_eq!(code(&question(&[b"example", b"com"], 1, 255)).0, ResponseCode::Refused, "class ANY");
    let with = |position: usize, byte: u8| {
        let mut question = about("example.com", RecordType::A);
        question[position] = byte;
        question
    };
    for op_code in [1, 2, 4, 5, 6, 15] {
        assert_eq!(code(&with(2, op_code << 3)).0, ResponseCode::NotImp, "{op_code}");
    }
    for (position, count) in [(5, 0), (5, 2), (4, 255), (7, 1), (9, 1), (11, 1), (11, 2), (10, 255)] {
        assert_eq!(code(&with(position, count)).0, ResponseCode::FormErr, "byte {position} is {count}");
    }
    // Counts that are true.
    let two = [&with(5, 2), &about("example.com", RecordType::A)[HEADER_BYTES..]].concat();
    assert_eq!(code(&two).0, ResponseCode::FormErr);
    for position in [7, 9] {
        let record = b"\x07example\x03com\0\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01";
        let answered = [&with(position, 1), &record[..]].concat();
        assert_eq!(code(&answered).0, ResponseCode::FormErr);
    }
    let mut longer = about("example.com", RecordType::A);
    longer.push(0);
    assert_eq!(code(&longer).0, ResponseCode::FormErr);
    longer.resize(MESSAGE_BYTES + 1, 0);
    assert_eq!(code(&longer).0, ResponseCode::FormErr);
    assert_eq!(code(&longer[..HEADER_BYTES]).0, ResponseCode::FormErr);
    for silent in [&b""[..], &longer[..HEADER_BYTES - 1], &with(2, 0x80)] {
        assert_eq!(answer(silent, &mut Table::new(), &judge), Reply { message: None, refused: None });
    }
}

#[test]
fn names_that_never_end_do() {
    let header = &question(&[], 1, 1)[..HEADER_BYTES];
    let tail = [0, 1, 0, 1];
    let to_itself = [header, b"\xc0\x0c", &tail].concat();
    let in_a_circle = [header, b"\x01a\xc0\x0c", &tail].concat();
    let forward = [header, b"\xc0\xff", &tail].concat();
    let into_the_header = [header, b"\x01a\xc0\x00", &tail].concat();
    let reserved = [header, b"\x80\x01a\x00", &tail].concat();
    for question in [to_itself, in_a_circle, forward, into_the_header, reserved] {
        assert_eq!(code(&question).0, ResponseCode::FormErr, "{question:?}");
    }
    let labels = |count: usize| question(&vec![&b"a"[..]; count], 1, 1);
    assert_eq!(code(&labels(64)).0, ResponseCode::NXDomain);
    assert_eq!(code(&labels(127)).0, ResponseCode::NXDomain);
    assert_eq!(code(&labels(128)).0, ResponseCode::FormErr);
}

#[test]
fn extensions_are_answered_in_kind() {
    let opt = |version: u8, data: &[u8]| {
        let mut question = about("example.com", RecordType::A);
        question[11] = 1;
        // OPT at the root: 1232 bytes, code 0, version, DO.
        question.extend_from_slice(&[0, 0, 41, 4, 208, 0, version, 0x80, 0, 0, data.len() as u8]);
        question.extend_from_slice(data);
        question
    };
    let (message, _) = ask(&mut Table::new(), &opt(0, b"\x00\x0a\x00\x08clientck"));
    assert_eq!((message.metadata.response_code, message.answers.len()), (ResponseCode::NoError, 1));
    let edns = message.edns.unwrap();
    assert_eq!((edns.version(), edns.flags().dnssec_ok), (0, true));
    assert!(edns.options().as_ref().is_empty(), "no option is echoed");

    let (message, refused) = ask(&mut Table::new(), &opt(1, b""));
    assert_eq!((message.answers.len(), refused), (0, None));
    assert_eq!(u16::from(message.metadata.response_code), 16);
    assert_eq!(message.edns.unwrap().version(), 0);
}

#[test]
fn a_fake_address_is_known_by_its_name() {
    let mut table = Table::starting_at(0);
    ask(&mut table, &about("example.com", RecordType::A));
    let (message, refused) = ask(&mut table, &about("1.0.1.127.in-addr.arpa", RecordType::PTR));
    assert_eq!(message.answers[0].data, RData::PTR(rdata::PTR("example.com.".parse().unwrap())));
    assert_eq!(refused, None);
    for other in ["2.0.1.127.in-addr.arpa", "1.0.0.127.in-addr.arpa"] {
        let (message, refused) = ask(&mut table, &about(other, RecordType::PTR));
        assert_eq!((message.metadata.response_code, refused), (ResponseCode::NXDomain, None));
    }
    for outside in ["4.3.2.1.in-addr.arpa", "1.127.in-addr.arpa", "x.1.0.1.127.in-addr.arpa"] {
        assert_eq!(code(&about(outside, RecordType::PTR)), refusal(outside, Permission::NotListed));
    }
}

#[test]
fn a_full_table_is_a_failure_of_ours() {
    let mut table = Table::new();
    let name = |number: u32| DomainName::parse(&format!("n{number}.example.com")).unwrap();
    assert!((0..1 << 16).any(|number| table.address_of(&name(number)).is_none()));
    let (message, refused) = ask(&mut table, &about("one-more.example.com", RecordType::A));
    assert_eq!((message.metadata.response_code, refused), (ResponseCode::ServFail, None));
    assert_eq!(ask(&mut table, &about("n0.example.com", RecordType::A)).0.answers.len(), 1);
}
