use std::time::Duration;

use codemode_types::{LimitOverrides, Limits};

use crate::{DecodeError, v1};

/// Room for everything in a message that no limit of the policy counts: schemas, records, framing.
const OVERHEAD: u64 = 8 << 20;

/// The largest `ClientMessage` that an executor with these limits reads: a whole `Start`, or one tool value. A value a
/// little over its own limit still arrives, so that it is refused alone and not with its stream.
pub fn request_bytes(limits: &Limits) -> usize {
    let code = limits.max_code_length.saturating_mul(4);
    fit(limits.value_bytes.bytes().saturating_mul(2).saturating_add(code))
}

/// The largest `ServerMessage` that an executor with these limits sends: a result with as much again of artifacts.
pub fn response_bytes(limits: &Limits) -> usize {
    fit(limits.result_bytes.bytes().saturating_mul(2).max(limits.value_bytes.bytes()))
}

fn fit(bytes: u64) -> usize {
    usize::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(usize::MAX)
}

impl TryFrom<&v1::Start> for LimitOverrides {
    type Error = DecodeError;

    fn try_from(start: &v1::Start) -> Result<Self, DecodeError> {
        Ok(Self {
            code_timeout: duration("start.code_timeout_ms", start.code_timeout_ms)?,
            tool_timeout: duration("start.tool_timeout_ms", start.tool_timeout_ms)?,
            total_timeout: duration("start.total_timeout_ms", start.total_timeout_ms)?,
            max_code_length: start.max_code_length,
            max_tool_calls: start.max_tool_calls,
        })
    }
}

impl v1::Start {
    pub fn with_overrides(self, overrides: &LimitOverrides) -> Self {
        Self {
            code_timeout_ms: overrides.code_timeout.map(milliseconds),
            tool_timeout_ms: overrides.tool_timeout.map(milliseconds),
            total_timeout_ms: overrides.total_timeout.map(milliseconds),
            max_code_length: overrides.max_code_length,
            max_tool_calls: overrides.max_tool_calls,
            ..self
        }
    }
}

pub(crate) fn duration(field: &'static str, milliseconds: Option<u64>) -> Result<Option<Duration>, DecodeError> {
    match milliseconds {
        Some(0) => Err(DecodeError::invalid(field, "must be above 0")),
        other => Ok(other.map(Duration::from_millis)),
    }
}

/// Rounded up, so that a limit below a millisecond does not become 0, which is refused.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub(crate) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
