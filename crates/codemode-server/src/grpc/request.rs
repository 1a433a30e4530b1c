//! From `Start` to a request of the engine, and from `Hello` to the policy of a stream.

use std::sync::Arc;

use codemode_engine::ExecutionRequest;
use codemode_proto::{DEFAULT_OUTPUT_CREDIT, v1};
use codemode_types::{
    ErrorCode, ExecutionId, Globals, Isolation, LimitOverrides, Policy, Problem, Rejection, ToolSpec,
};

use crate::executions::{correlation_id, invalid};

pub(super) fn request(id: ExecutionId, start: v1::Start, policy: Arc<Policy>) -> Result<ExecutionRequest, Rejection> {
    let overrides = LimitOverrides::try_from(&start).map_err(invalid)?;
    let tools = start.tools.into_iter().map(ToolSpec::try_from).collect::<Result<_, _>>().map_err(invalid)?;
    Ok(ExecutionRequest {
        id,
        correlation_id: correlation_id(&start.correlation_id)?,
        code: start.code,
        tools,
        context: start.context,
        config: start.config,
        overrides,
        policy,
        check_tools: !start.skip_tool_check,
        artifact_bytes: start.artifact_bytes,
        globals: Globals {
            variables: start.variables,
            keep_variables: start.keep_variables,
            bare_tools: start.bare_tools,
        },
        environment: Some(start.environment).filter(|name| !name.is_empty()),
    })
}

pub(super) fn credit(start: &v1::Start) -> u64 {
    match start.output_credit {
        0 => DEFAULT_OUTPUT_CREDIT,
        credit => credit,
    }
}

/// The executor's policy as the client asked to narrow it for its stream.
pub(super) fn narrowed(policy: Arc<Policy>, isolation: &Isolation, asked: &[u8]) -> Result<Arc<Policy>, Rejection> {
    if asked.is_empty() {
        return Ok(policy);
    }
    let refused = |message: String| Rejection::new(ErrorCode::Policy, message);
    let asked = serde_json::from_slice(asked).map_err(|error| refused(format!("the policy is not JSON: {error}")))?;
    let narrowed = policy.narrowed(&asked).map_err(|error| refused(error.to_string()))?;
    let unmet = |problem: Problem| refused(format!("{}: {}", problem.key, problem.message));
    // What the executor requires of itself was found at its start, under the probe's names.
    let mut wanted = narrowed.isolation.clone();
    wanted.require.retain(|layer| !policy.isolation.require.contains(layer));
    isolation.check(&wanted).map_err(unmet)?;
    Ok(Arc::new(narrowed))
}
