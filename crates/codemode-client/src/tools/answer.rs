//! From a call to its answer: the arguments are checked, a person may be asked, the tool runs, its result is checked.

use std::sync::Arc;

use codemode_types::ToolFailure;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{
    Call, ToolCall,
    registration::{Enforced, Registered},
};
use crate::{
    ApprovalAction, ApprovalRequest,
    approval::{Approver, Verdict, consult, denial},
    python::quoted,
    schema::{SchemaProblem, TAG, read_value},
    values,
};

/// A longer text is looked at in a thread that may take its time.
const QUICK: usize = 64 << 10;

pub(super) async fn answer(
    tool: Arc<Registered>,
    approver: Option<Approver>,
    mut call: ToolCall,
) -> Result<Vec<u8>, ToolFailure> {
    let context = Call::of(&call);
    let (tool_too, text) = (Arc::clone(&tool), std::mem::take(&mut call.arguments));
    let (arguments, verdict) = aside(text.len(), move || admit(&tool_too, &text)).await?;
    if let Some(Verdict { action, reason }) = verdict {
        approve(action, reason, approver.as_ref(), &call, &context, &arguments).await?;
    }
    let result = (tool.function)(arguments, context).await?;
    if tool.output.is_none() {
        return Ok(result);
    }
    aside(result.len(), move || checked(&tool, result)).await
}

/// Runs at once what is quick, and elsewhere what may not be.
async fn aside<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    match length > QUICK {
        false => work(),
        true => spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(ToolFailure::new("RuntimeError", format!("the call was lost: {error}")))),
    }
}

/// The arguments, where they fit the schema, and what the rules say about them.
fn admit(tool: &Registered, text: &[u8]) -> Result<(Value, Option<Verdict>), ToolFailure> {
    let name = quoted(&tool.spec.name);
    let arguments = read_value(text).map_err(|error| {
        ToolFailure::new("ValueError", format!("the arguments of tool {name} cannot be read: {error}"))
    })?;
    if arguments.as_object().is_none_or(|members| members.contains_key(TAG)) {
        return Err(ToolFailure::new("TypeError", format!("arguments of tool {name} must be given by name")));
    }
    if let Some(input) = &tool.input {
        let problems = input.schema.check(&arguments);
        if !problems.is_empty() {
            return Err(invalid_arguments(input, &name, &problems));
        }
    }
    let schema = tool.input.as_ref().map(|input| &input.json);
    let verdict = tool.approval.as_ref().map(|approval| approval.judge(&arguments, schema));
    Ok((arguments, verdict))
}

fn invalid_arguments(input: &Enforced, name: &str, problems: &[SchemaProblem]) -> ToolFailure {
    let mut suggestions: Vec<String> = Vec::new();
    for near in problems.iter().flat_map(|problem| &problem.near) {
        if !suggestions.contains(near) {
            suggestions.push(near.clone());
        }
    }
    ToolFailure {
        valid_parameters: input.schema.valid_parameters(),
        suggestions,
        ..ToolFailure::new("InvalidArguments", format!("invalid arguments for tool {name}: {}", sentence(problems)))
    }
}

fn sentence(problems: &[SchemaProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

async fn approve(
    action: ApprovalAction,
    reason: String,
    approver: Option<&Approver>,
    call: &ToolCall,
    context: &Call,
    arguments: &Value,
) -> Result<(), ToolFailure> {
    let denied = match (action, approver) {
        (ApprovalAction::Allow, _) => return Ok(()),
        (ApprovalAction::Deny, _) => denial(&call.name, &reason),
        (ApprovalAction::Ask, None) => denial(&call.name, &format!("{reason}, and this client has no on_approval")),
        (ApprovalAction::Ask, Some(approver)) => {
            call.reporter.approval_requested(&reason);
            let request = ApprovalRequest {
                tool: call.name.clone(),
                arguments: arguments.clone(),
                reason,
                context: context.context().clone(),
                execution_id: call.execution_id.clone(),
                call_id: call.call_id,
            };
            match consult(approver, request, &call.hold).await {
                Ok(()) => return Ok(()),
                Err(denied) => denied,
            }
        }
    };
    Err(ToolFailure::new("ApprovalDenied", denied))
}

fn checked(tool: &Registered, result: Vec<u8>) -> Result<Vec<u8>, ToolFailure> {
    let Some(output) = &tool.output else { return Ok(result) };
    let name = quoted(&tool.spec.name);
    let value = read_value(&result).map_err(|error| {
        ToolFailure::new("InvalidResult", format!("the result of tool {name} cannot be read: {error}"))
    })?;
    match output.schema.check(&value).as_slice() {
        [] => Ok(result),
        problems => Err(ToolFailure::new(
            "InvalidResult",
            format!("tool {name} returned what its output schema does not allow: {}", sentence(problems)),
        )),
    }
}

/// The arguments as the type that the tool takes.
pub(super) fn given<A: DeserializeOwned>(arguments: &Value, tool: &str) -> Result<A, ToolFailure> {
    values::from_value(arguments).map_err(|error| {
        ToolFailure::new("InvalidArguments", format!("invalid arguments for tool {}: {error}", quoted(tool)))
    })
}
