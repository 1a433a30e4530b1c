use std::time::Duration;

use codemode_types::{ToolFailure, ToolSpec};

use crate::{
    DecodeError,
    limits::{duration, milliseconds},
    v1,
};

/// Longer names would only fill logs; the guest's own rule for names is stricter.
const MAX_NAME: usize = 256;

impl From<ToolSpec> for v1::ToolSpec {
    fn from(tool: ToolSpec) -> Self {
        Self {
            name: tool.name,
            description: tool.description,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            is_async: tool.is_async,
            has_context: tool.has_context,
            timeout_ms: tool.timeout.map(milliseconds),
        }
    }
}

impl TryFrom<v1::ToolSpec> for ToolSpec {
    type Error = DecodeError;

    fn try_from(tool: v1::ToolSpec) -> Result<Self, DecodeError> {
        if tool.name.is_empty() || tool.name.len() > MAX_NAME {
            return Err(DecodeError::invalid("tools.name", format!("must have 1 to {MAX_NAME} bytes")));
        }
        Ok(Self {
            name: tool.name,
            description: tool.description,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            is_async: tool.is_async,
            has_context: tool.has_context,
            timeout: duration("tools.timeout_ms", tool.timeout_ms)?,
        })
    }
}

impl From<ToolFailure> for v1::ToolFailure {
    fn from(failure: ToolFailure) -> Self {
        Self {
            r#type: failure.kind,
            message: failure.message,
            valid_parameters: failure.valid_parameters,
            suggestions: failure.suggestions,
        }
    }
}

impl From<v1::ToolFailure> for ToolFailure {
    fn from(failure: v1::ToolFailure) -> Self {
        Self {
            kind: failure.r#type,
            message: failure.message,
            valid_parameters: failure.valid_parameters,
            suggestions: failure.suggestions,
        }
    }
}

impl v1::ToolCall {
    pub fn of(call_id: u64, name: String, arguments: Vec<u8>, timeout: Duration) -> Self {
        Self { call_id, name, arguments, timeout_ms: milliseconds(timeout) }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// The client's answer to a call, for the wire.
pub fn tool_result(call_id: u64, answer: Result<Vec<u8>, ToolFailure>) -> v1::ToolResult {
    let outcome = match answer {
        Ok(value) => v1::tool_result::Outcome::Value(value),
        Err(failure) => v1::tool_result::Outcome::Failure(failure.into()),
    };
    v1::ToolResult { call_id, outcome: Some(outcome) }
}

/// The client's answer to a call, from the wire.
pub fn tool_answer(result: v1::ToolResult) -> Result<(u64, Result<Vec<u8>, ToolFailure>), DecodeError> {
    match result.outcome {
        Some(v1::tool_result::Outcome::Value(value)) => Ok((result.call_id, Ok(value))),
        Some(v1::tool_result::Outcome::Failure(failure)) => Ok((result.call_id, Err(failure.into()))),
        None => Err(DecodeError::Missing("tool_result.outcome")),
    }
}
