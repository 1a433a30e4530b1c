//! The tools of one execution: those that the request names, as the application describes them.

use std::collections::{HashMap, HashSet};

use codemode_proto::compat::{ToolInfo, ToolSchema};
use codemode_types::ToolSpec;

use super::{
    clipped,
    tool_service::{ToolService, Trace, Unserved},
};
use crate::audit::escaped;

/// Offered by the executor itself, and answered by the application. Published clients always name them.
pub(super) const META_TOOLS: [&str; 3] = ["__list__", "__schema__", "__search__"];

const SETTING: &str = "main_app_grpc_target (CODEMODE_MAIN_APP_TARGET)";

/// Why an execution cannot have the tools that it is to have. Nothing ran.
#[derive(Debug)]
pub(super) struct NoTools {
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

/// No application is needed where no tool is named but the meta-tools.
pub(super) async fn offered(
    names: &[String],
    service: Option<&ToolService>,
    trace: &Trace,
) -> Result<Vec<ToolSpec>, NoTools> {
    let mut seen = HashSet::from(META_TOOLS);
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| seen.insert(name)).collect();
    let Some(first) = names.first() else { return Ok(Vec::new()) };
    let Some(service) = service else {
        let message = format!(
            "the request names tools ({}, …), and this executor knows of no ToolService: set {SETTING} in its \
             configuration; nothing ran",
            shown(first)
        );
        return Err(NoTools { error_type: "ToolServiceUnreachable", message });
    };
    let listed = service.list(trace).await.map_err(|error| unlisted(service.address(), &error))?;
    let mut listed: HashMap<String, ToolInfo> = listed.into_iter().map(|tool| (tool.name.clone(), tool)).collect();
    names.into_iter().map(|name| listed.remove(name).map(spec).ok_or_else(|| absent(name, service.address()))).collect()
}

/// Before the caller would have stopped listening.
pub(super) fn late(service: Option<&ToolService>) -> NoTools {
    let message = format!(
        "the caller's own deadline (executor_timeout) was over before the application's ToolService at {} had listed its \
         tools; nothing ran",
        service.map(ToolService::address).unwrap_or_default()
    );
    NoTools { error_type: "Timeout", message }
}

fn unlisted(address: &str, error: &Unserved) -> NoTools {
    let message = match error {
        Unserved::Unreachable(why) => format!(
            "the application's ToolService at {address} cannot be reached: {why}; start it, or correct {SETTING} in the \
             executor's configuration; nothing ran"
        ),
        Unserved::Refused(status) => format!(
            "the application's ToolService at {address} does not list its tools: {:?}: {}; is {SETTING} the right \
             address, and does it take the executor's API key? Nothing ran",
            status.code(),
            status.message()
        ),
    };
    tracing::warn!("{}", escaped(&message));
    NoTools { error_type: "ToolServiceUnreachable", message }
}

fn absent(name: &str, address: &str) -> NoTools {
    let message = format!(
        "the request names the tool `{}`, which the application's ToolService at {address} does not list; is it another \
         application's? Nothing ran",
        shown(name)
    );
    NoTools { error_type: "ToolNotFound", message }
}

/// As the caller gave it.
fn shown(name: &str) -> String {
    clipped(name, 100).escape_debug().to_string()
}

fn spec(tool: ToolInfo) -> ToolSpec {
    let ToolInfo { name, is_async, has_context, description, input_schema, output_schema } = tool;
    let (input_schema, output_schema) = (schema(input_schema, &name), schema(output_schema, &name));
    ToolSpec { name, description, input_schema, output_schema, is_async, has_context, timeout: None }
}

/// One that is none only costs the code its hints.
fn schema(schema: Option<ToolSchema>, tool: &str) -> Option<Vec<u8>> {
    let text = schema?.json_schema;
    if text.is_empty() {
        return None;
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
        Ok(_) => Some(text.into_bytes()),
        Err(error) => {
            tracing::warn!(tool = shown(tool), %error, "the ToolService has a schema that is no JSON object; it is left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_is_none_is_left_out() {
        let read = |text: &str| schema(Some(ToolSchema { json_schema: text.into() }), "t");
        assert_eq!(read(r#"{"type": "object"}"#).as_deref(), Some(&br#"{"type": "object"}"#[..]));
        for text in ["", "[]", "{", "null", &"{\"a\":".repeat(10_000)] {
            assert_eq!(read(text), None);
        }
    }

    #[tokio::test]
    async fn meta_tools_need_no_application() {
        let names = META_TOOLS.map(String::from);
        assert!(offered(&names, None, &Trace::default()).await.is_ok_and(|tools| tools.is_empty()));
        let refused = offered(&["weather".into()], None, &Trace::default()).await.unwrap_err();
        assert!(refused.message.contains("weather") && refused.message.contains("main_app_grpc_target"));
    }
}
