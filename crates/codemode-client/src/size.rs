//! What is too large is refused here: a message over the executor's cap would end the stream, and every execution on it.

use codemode_proto::request_bytes;
use codemode_types::{ErrorCode, Limits, Rejection, ToolFailure, ToolSpec};

use crate::Request;

/// Framing, ids, overrides.
const SLACK: usize = 64 << 10;
/// Of a failure whose text alone is larger than a value may be.
const CUT_MESSAGE: usize = 1000;

/// Whether the executor can read the request at all; what it can read, it judges itself.
pub(crate) fn check(request: &Request, specs: &[ToolSpec], limits: &Limits) -> Result<(), Rejection> {
    // No character takes more than four bytes.
    let most = limits.max_code_length;
    if request.code.len() as u64 > most.saturating_mul(4) {
        let length = std::str::from_utf8(&request.code).map_or(request.code.len(), |code| code.chars().count());
        let message =
            format!("the code is {length} characters long; at most {most} are allowed (limits.max_code_length)");
        return Err(Rejection::new(ErrorCode::CodeTooLong, message));
    }
    let values = [
        ("context takes", &request.context),
        ("config takes", &request.config),
        ("variables take", &request.globals.variables),
    ];
    for (what, value) in values {
        let (length, most) = (value.len(), limits.value_bytes);
        if length as u64 > most.bytes() {
            let message = format!("the {what} {length} bytes; at most {most} are allowed (limits.value_bytes)");
            return Err(Rejection::new(ErrorCode::InvalidRequest, message));
        }
    }
    let tools: usize = specs.iter().map(weight).sum();
    let values: usize = values.iter().map(|(_, value)| value.len()).sum();
    let rest = request.code.len() + values + SLACK;
    match tools.saturating_add(rest) > request_bytes(limits) {
        true => {
            let message = format!(
                "names, descriptions and schemas of the {} tools take {tools} bytes, context, config and variables \
                 {values}; that is more than one request can hold",
                specs.len()
            );
            Err(Rejection::new(ErrorCode::InvalidRequest, message))
        }
        false => Ok(()),
    }
}

/// The answer, or the failure that it is too large.
pub(crate) fn fitting(answer: Result<Vec<u8>, ToolFailure>, most: u64) -> Result<Vec<u8>, ToolFailure> {
    match answer {
        Ok(value) if value.len() as u64 > most => Err(too_large(value.len(), most)),
        Err(failure) if text(&failure) as u64 > most => {
            let message = failure.message.chars().take(CUT_MESSAGE).collect::<String>() + "…";
            Err(ToolFailure::new(failure.kind.chars().take(CUT_MESSAGE).collect::<String>(), message))
        }
        fits => fits,
    }
}

fn too_large(length: usize, most: u64) -> ToolFailure {
    let message = format!("the result is {length} bytes long; at most {most} are allowed (limits.value_bytes)");
    ToolFailure::new("ToolResultTooLarge", message)
}

fn text(failure: &ToolFailure) -> usize {
    let lists = failure.valid_parameters.iter().chain(&failure.suggestions);
    failure.kind.len() + failure.message.len() + lists.map(String::len).sum::<usize>()
}

fn weight(spec: &ToolSpec) -> usize {
    let schemas = [&spec.input_schema, &spec.output_schema].into_iter().flatten();
    64 + spec.name.len() + spec.description.len() + schemas.map(Vec::len).sum::<usize>()
}
