//! The small parsers: sizes, durations, ids, and what a request may ask of the limits.

use std::{path::Path, time::Duration};

use codemode_types::{ByteSize, CorrelationId, ExecutionId, LimitOverrides, Limits, Policy};
use serde_json::{Value, json};

use super::choices::Choices;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

pub fn sizes(input: &[u8]) {
    overrides(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    size(text);
    duration(text);
    ids(text);
}

/// A size is digits and a unit, and both ways of reading one agree.
fn size(text: &str) {
    let expected = reference(text);
    assert_eq!(text.parse::<ByteSize>().ok().map(ByteSize::bytes), expected, "{text:?}");
    let read: Option<ByteSize> = serde_json::from_value(json!(text)).ok();
    assert_eq!(read.map(ByteSize::bytes), expected, "{text:?} in a policy");
    if let Some(size) = read {
        assert_eq!(serde_json::from_value::<ByteSize>(json!(size)).ok(), Some(size));
        assert!(!size.to_string().is_empty());
    }
}

fn reference(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|unit: char| !unit.is_ascii_digit());
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let factor = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix(['b', 'i'])).unwrap_or(&unit) {
        "" if unit == "i" || unit == "ib" => return None,
        "" => 1_u128,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    // `u128` reads a sign, a size has none.
    let count: u128 = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    u64::try_from(count.checked_mul(factor)?).ok()
}

/// A duration that is accepted is above nothing, at most a year, and survives its own text.
fn duration(text: &str) {
    let Ok(number @ Value::Number(_)) = serde_json::from_str(text) else { return };
    let load = |value: &Value| Policy::from_value(value, Path::new("/")).ok();
    if let Some(policy) = load(&json!({"limits": {"code_timeout": number}})) {
        assert!(policy.limits.code_timeout > Duration::ZERO && policy.limits.code_timeout <= YEAR);
        assert_eq!(load(&policy.to_value()).as_ref(), Some(&policy));
    }
}

fn ids(text: &str) {
    if let Ok(id) = ExecutionId::parse(text) {
        assert!(id.as_str() == text && text.len() <= 64);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }
    if let Ok(id) = CorrelationId::parse(text) {
        assert!(id.as_str() == text && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// What a request asks can only lower the limits, and each limit that was clamped is said.
fn overrides(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut duration = || choices.coin().then(|| Duration::from_millis(choices.number() >> (choices.byte() % 64)));
    let held = Limits::default();
    let asked = LimitOverrides {
        code_timeout: duration(),
        tool_timeout: duration(),
        total_timeout: duration(),
        max_code_length: duration().map(|length| length.as_secs()),
        max_tool_calls: duration().map(|number| number.as_secs()),
    };
    let (limits, warnings) = held.overridden(&asked);
    let mut clamped = 0;
    for (asked, held, now) in [
        (asked.code_timeout, held.code_timeout, limits.code_timeout),
        (asked.tool_timeout, held.tool_timeout, limits.tool_timeout),
        (asked.total_timeout, held.total_timeout, limits.total_timeout),
    ] {
        assert_eq!(now, asked.unwrap_or(held).min(held));
        clamped += usize::from(asked.is_some_and(|asked| asked > held));
    }
    for (asked, held, now) in [
        (asked.max_code_length, held.max_code_length, limits.max_code_length),
        (asked.max_tool_calls, held.max_tool_calls, limits.max_tool_calls),
    ] {
        assert_eq!(now, asked.unwrap_or(held).min(held));
        clamped += usize::from(asked.is_some_and(|asked| asked > held));
    }
    assert_eq!(warnings.len(), clamped, "{warnings:?}");
}
