//! From `ExecutionRequest` and its metadata to a request of the engine.

use std::time::Duration;

use codemode_engine::ExecutionRequest;
use codemode_proto::compat::{
    self,
    google::{Struct, value::Kind},
};
use codemode_types::{Globals, LimitOverrides, Rejection, ToolSpec};
use tonic::metadata::MetadataMap;

use super::values::value_bytes;
use crate::executions::{Executions, correlation_id, invalid, new_id};

/// The header wins, as with the published executor. Empty where there is none.
pub(super) fn named(metadata: &MetadataMap, request: &compat::ExecutionRequest) -> Result<String, Rejection> {
    let header = metadata.get("x-correlation-id").map(|value| value.to_str());
    let name = match header {
        Some(Ok(header)) if !header.is_empty() => header,
        Some(Err(_)) => return Err(invalid("x-correlation-id must be printable ASCII")),
        _ => &request.correlation_id,
    };
    // An application that keeps records under it gets no other than its own.
    if !name.is_empty() {
        correlation_id(name)?;
    }
    Ok(name.to_owned())
}

/// A timeout only lowers the executor's own.
pub(super) fn overrides(request: &compat::ExecutionRequest) -> Result<LimitOverrides, Rejection> {
    let code_timeout = match u64::try_from(request.timeout) {
        Ok(0) => None,
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => return Err(invalid("`timeout` must be a number of seconds above 0, or 0 for the executor's own")),
    };
    let config = request.config.as_ref();
    let tool_timeout = positive(config, "tool_call_timeout")?.map(Duration::try_from_secs_f64).transpose();
    let max_code_length = positive(config, "max_code_length")?;
    Ok(LimitOverrides {
        code_timeout,
        tool_timeout: tool_timeout.map_err(|_| invalid("`tool_call_timeout` in the configuration is too large"))?,
        max_code_length: max_code_length.map(|characters| characters.floor() as u64),
        ..LimitOverrides::default()
    })
}

/// These two the published client puts among the application's own settings.
fn positive(config: Option<&Struct>, name: &str) -> Result<Option<f64>, Rejection> {
    match config.and_then(|config| config.fields.get(name)?.kind.as_ref()) {
        None | Some(Kind::NullValue(_)) => Ok(None),
        Some(Kind::NumberValue(number)) if *number > 0.0 => Ok(Some(*number)),
        Some(_) => Err(invalid(format!("`{name}` in the configuration must be a number above 0"))),
    }
}

pub(super) fn request(
    executions: &Executions,
    request: compat::ExecutionRequest,
    (name, overrides, tools): (&str, LimitOverrides, Vec<ToolSpec>),
) -> Result<ExecutionRequest, Rejection> {
    let bytes = |value: Option<&Struct>| value.map(value_bytes).unwrap_or_default();
    Ok(ExecutionRequest {
        id: new_id()?,
        correlation_id: correlation_id(name)?,
        context: bytes(request.context.as_ref()),
        config: bytes(request.config.as_ref()),
        code: request.code.into_bytes(),
        tools,
        overrides,
        policy: executions.policy(),
        // Its schemas are not enforced where they come from: a call that they forbid may well succeed.
        check_tools: false,
        artifact_bytes: 0,
        globals: Globals::default(),
        environment: None,
    })
}

/// The time after which the caller listens no more: `grpc-timeout`.
pub(super) fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount = Some(digits).filter(|it| (1..=8).contains(&it.len())).and_then(|it| it.parse::<u32>().ok())?;
    let unit = match unit {
        "H" => Duration::from_secs(3600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(amount)
}

#[cfg(test)]
mod tests {
    use codemode_proto::compat::google::Value;

    use super::*;

    fn with_config(name: &str, kind: Kind) -> compat::ExecutionRequest {
        let fields = [(name.to_owned(), Value { kind: Some(kind) })].into();
        compat::ExecutionRequest { config: Some(Struct { fields }), ..compat::ExecutionRequest::default() }
    }

    #[test]
    fn what_a_request_asks_of_the_limits() {
        let of = |timeout: i32| overrides(&compat::ExecutionRequest { timeout, ..Default::default() });
        assert_eq!(of(0).unwrap(), LimitOverrides::default());
        assert_eq!(of(7).unwrap().code_timeout, Some(Duration::from_secs(7)));
        assert!(of(-1).unwrap_err().message.contains("`timeout`"));
        let asked = overrides(&with_config("tool_call_timeout", Kind::NumberValue(0.5))).unwrap();
        assert_eq!(asked.tool_timeout, Some(Duration::from_millis(500)));
        assert_eq!(
            overrides(&with_config("max_code_length", Kind::NumberValue(9.0))).unwrap().max_code_length,
            Some(9)
        );
        for odd in [Kind::NumberValue(0.0), Kind::NumberValue(f64::NAN), Kind::StringValue("3".into())] {
            assert!(overrides(&with_config("max_code_length", odd)).is_err());
        }
        assert!(overrides(&with_config("tool_call_timeout", Kind::NumberValue(f64::INFINITY))).is_err());
        assert!(overrides(&with_config("tool_call_timeout", Kind::NullValue(0))).is_ok());
    }

    #[test]
    fn the_callers_patience_is_read() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata)
        };
        assert_eq!(read("35S"), Some(Duration::from_secs(35)));
        assert_eq!(read("34999m"), Some(Duration::from_millis(34_999)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        for odd in ["", "S", "1", "1x", "123456789S", "-1S", "1.5S"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
