//! What is refused before anything runs.

use std::collections::HashSet;

use codemode_types::{ErrorCode, Limits, Rejection, ToolSpec};

use crate::escape::escaped;

const MOST_TOOLS: usize = 1000;

/// The code as text, if it is code that can be run.
pub(crate) fn code(code: Vec<u8>, limits: &Limits) -> Result<String, Rejection> {
    let invalid = |message: String| Rejection::new(ErrorCode::InvalidCode, message);
    let code = String::from_utf8(code).map_err(|error| {
        invalid(format!("the code is not UTF-8: invalid byte at offset {}", error.utf8_error().valid_up_to()))
    })?;
    if code.trim().is_empty() {
        return Err(invalid("the code is empty".into()));
    }
    if let Some(offset) = code.find('\0') {
        return Err(invalid(format!("the code holds a NUL byte at offset {offset}")));
    }
    let length = code.chars().count() as u64;
    if length > limits.max_code_length {
        let most = limits.max_code_length;
        let message =
            format!("the code is {length} characters long; at most {most} are allowed (limits.max_code_length)");
        return Err(Rejection::new(ErrorCode::CodeTooLong, message));
    }
    Ok(code)
}

/// What a request holds in memory while it waits.
pub(crate) fn bytes(code: &str, tools: &[ToolSpec], values: [&Vec<u8>; 3]) -> u64 {
    let schema = |schema: &Option<Vec<u8>>| schema.as_ref().map_or(0, Vec::len);
    let tool = |tool: &ToolSpec| {
        tool.name.len() + tool.description.len() + schema(&tool.input_schema) + schema(&tool.output_schema)
    };
    let values: usize = values.into_iter().map(Vec::len).sum();
    (code.len() + values + tools.iter().map(tool).sum::<usize>()) as u64
}

pub(crate) fn tools(tools: &[ToolSpec]) -> Result<(), Rejection> {
    let invalid = |message: String| Err(Rejection::new(ErrorCode::InvalidRequest, message));
    if tools.len() > MOST_TOOLS {
        return invalid(format!("{} tools were offered; at most {MOST_TOOLS} are allowed", tools.len()));
    }
    let mut names = HashSet::with_capacity(tools.len());
    for tool in tools {
        if tool.name.is_empty() {
            return invalid("a tool without a name was offered".into());
        }
        if !names.insert(tool.name.as_str()) {
            return invalid(format!("the tool `{}` was offered twice", escaped(&tool.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        let limits = Limits { max_code_length: 5, ..Limits::default() };
        let rejection = code(bytes.to_vec(), &limits).unwrap_err();
        format!("{}: {}", rejection.code, rejection.message)
    }

    #[test]
    fn code_that_cannot_run_is_refused_with_the_place() {
        assert_eq!(refusal(b""), "invalid_code: the code is empty");
        assert_eq!(refusal(b" \n"), "invalid_code: the code is empty");
        assert_eq!(refusal(b"ab\xff"), "invalid_code: the code is not UTF-8: invalid byte at offset 2");
        assert_eq!(refusal("ä\0".as_bytes()), "invalid_code: the code holds a NUL byte at offset 2");
        assert_eq!(
            refusal(b"123456"),
            "code_too_long: the code is 6 characters long; at most 5 are allowed (limits.max_code_length)"
        );
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let limits = Limits { max_code_length: 5, ..Limits::default() };
        assert_eq!(code("äöüßé".into(), &limits).as_deref(), Ok("äöüßé"));
    }

    #[test]
    fn tools_are_checked() {
        let tool = |name: &str| ToolSpec { name: name.into(), ..ToolSpec::default() };
        assert!(tools(&[tool("a"), tool("b")]).is_ok());
        for bad in [vec![tool("")], vec![tool("a"), tool("a")], vec![tool("a"); MOST_TOOLS + 1]] {
            assert_eq!(tools(&bad).unwrap_err().code, ErrorCode::InvalidRequest);
        }
    }
}
