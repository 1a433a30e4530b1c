//! Values of the published protocol: what code wrote becomes a Struct or a document, what an application sent a value.

use codemode_proto::compat::google::{Struct, Value, value::Kind};
use codemode_server::published_values::{arguments, document, tool_result, value_bytes};
use prost::Message;
use serde_json::value::RawValue;

const EXACT: f64 = 9_007_199_254_740_992.0;
/// What gRPC for Python reads.
const MOST_BYTES: usize = 4 << 20;

/// The first byte says who wrote the rest.
pub fn values(input: &[u8]) {
    let Some((writer, bytes)) = input.split_first() else { return };
    if writer & 1 == 0 {
        from_code(bytes);
    } else if let Ok(sent) = Struct::decode(bytes) {
        from_application(&sent);
    }
}

fn from_code(text: &[u8]) {
    let document = document(text);
    // As Python writes numbers that are not finite, which JSON has not.
    let document = document.replace("-Infinity", "0").replace("Infinity", "0").replace("NaN", "0");
    assert!(serde_json::from_str::<&RawValue>(&document).is_ok(), "{document}");
    let Ok(sent) = arguments(text) else { return };
    let bytes = sent.encode_to_vec();
    assert!(bytes.len() < MOST_BYTES);
    assert_eq!(Struct::decode(&*bytes).as_ref(), Ok(&sent));
    let digits = text.iter().filter(|byte| **byte == b'.' || byte.eq_ignore_ascii_case(&b'e')).count();
    if digits == 0 {
        sent.fields.values().for_each(is_exact);
    }
    from_application(&sent);
}

/// Without a point and an exponent, all numbers were integers.
fn is_exact(value: &Value) {
    match &value.kind {
        Some(Kind::NumberValue(number)) => assert!(number.fract() == 0.0 && number.abs() <= EXACT, "{number}"),
        Some(Kind::StructValue(members)) => members.fields.values().for_each(is_exact),
        Some(Kind::ListValue(items)) => items.values.iter().for_each(is_exact),
        _ => {}
    }
}

fn from_application(sent: &Struct) {
    for value in [value_bytes(sent), tool_result(Some(sent))] {
        let text = std::str::from_utf8(&value).expect("text");
        assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{text}");
    }
}
