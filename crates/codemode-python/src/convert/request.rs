use codemode_client::{Request, new_execution_id};
use codemode_types::{CorrelationId, Globals, LimitOverrides, ToolSpec};
use pyo3::{prelude::*, types::PyDict};

use super::options::seconds;
use crate::errors::{config, raised};

/// The request under a new execution id, and the tools that go with it.
pub(crate) fn request(raw: &Bound<'_, PyDict>) -> PyResult<(Request, Vec<ToolSpec>)> {
    let request = Request {
        execution_id: Some(new_execution_id().map_err(|error| raised(&error))?),
        code: bytes(raw, "code")?,
        context: bytes(raw, "context")?,
        config: bytes(raw, "config")?,
        correlation_id: correlation_id(raw)?,
        overrides: overrides(raw)?,
        skip_tool_check: !optional(raw, "check_tools")?.unwrap_or(true),
        artifact_bytes: optional(raw, "artifact_bytes")?.unwrap_or(0),
        globals: Globals {
            variables: bytes(raw, "variables")?,
            keep_variables: optional(raw, "keep_variables")?.unwrap_or(false),
            bare_tools: optional(raw, "bare_tools")?.unwrap_or(false),
        },
        environment: optional(raw, "environment")?,
        ..Request::default()
    };
    let tools = match get(raw, "tools")? {
        Some(given) => tools(&given)?,
        None => Vec::new(),
    };
    Ok((request, tools))
}

fn overrides(raw: &Bound<'_, PyDict>) -> PyResult<LimitOverrides> {
    let limit = |name| get(raw, name)?.map(|value| seconds(name, &value)).transpose();
    Ok(LimitOverrides {
        code_timeout: limit("code_timeout")?,
        tool_timeout: limit("tool_timeout")?,
        total_timeout: limit("total_timeout")?,
        max_code_length: optional(raw, "max_code_length")?,
        max_tool_calls: optional(raw, "max_tool_calls")?,
    })
}

fn correlation_id(raw: &Bound<'_, PyDict>) -> PyResult<Option<CorrelationId>> {
    let Some(value) = get(raw, "correlation_id")? else { return Ok(None) };
    match value.extract::<String>()?.as_str() {
        "" => Ok(None),
        text => CorrelationId::parse(text).map(Some).map_err(|error| config(error.to_string())),
    }
}

/// Tools as the face describes them: an iterable of `RawToolSpec`.
pub(crate) fn tools(given: &Bound<'_, PyAny>) -> PyResult<Vec<ToolSpec>> {
    given.try_iter()?.map(|tool| spec(&tool?)).collect()
}

fn spec(tool: &Bound<'_, PyAny>) -> PyResult<ToolSpec> {
    Ok(ToolSpec {
        name: tool.get_item("name")?.extract()?,
        description: tool.get_item("description")?.extract()?,
        input_schema: tool.get_item("input_schema")?.extract()?,
        output_schema: tool.get_item("output_schema")?.extract()?,
        is_async: tool.get_item("is_async")?.extract()?,
        has_context: tool.get_item("has_context")?.extract()?,
        timeout: match tool.get_item("timeout")? {
            none if none.is_none() => None,
            value => Some(seconds("timeout", &value)?),
        },
    })
}

fn optional<'py, T>(raw: &Bound<'py, PyDict>, key: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>,
{
    get(raw, key)?.map(|value| value.extract().map_err(Into::into)).transpose()
}

fn bytes(raw: &Bound<'_, PyDict>, key: &str) -> PyResult<Vec<u8>> {
    Ok(get(raw, key)?.map(|value| value.extract::<Vec<u8>>()).transpose()?.unwrap_or_default())
}

fn get<'py>(raw: &Bound<'py, PyDict>, key: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(raw.get_item(key)?.filter(|value| !value.is_none()))
}
