//! What cannot work is refused before any code runs.

use codemode_types::{ToolSpec, nearest};
use serde_json::Value;
use thiserror::Error;

use super::{Tool, missing, tool::Function};
use crate::{
    Approval, ApprovalError,
    python::quoted,
    schema::{SchemaError, ToolSchema, resolve},
};

/// Alternatives within alternatives of a schema that are looked into.
const MAX_DEPTH: usize = 8;

/// Why a tool was not registered.
///
/// ```
/// use codemode_client::{RegistrationError, Tool, Tools, Value, json};
///
/// let tool = || Tool::new("now", "The time", |_: Value| async { Ok(json!(0)) });
/// let error = Tools::of([tool(), tool()]).unwrap_err();
/// assert!(matches!(error, RegistrationError::Duplicate { .. }));
/// assert_eq!(error.to_string(), "tool 'now' is registered already; give one of the two another name");
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Another tool has this name.
    #[error("tool {} is registered already; give one of the two another name", quoted(.name))]
    Duplicate {
        /// Of both.
        name: String,
    },
    /// Nobody could see the name, or it would not be one.
    #[error("a tool's name must be non-empty, printable text, got {}", quoted(.name))]
    Name {
        /// As it was given.
        name: String,
    },
    /// The name is one that Codemode keeps for itself.
    #[error("tool name {} is reserved: names between double underscores are Codemode's own", quoted(.name))]
    Reserved {
        /// As it was given.
        name: String,
    },
    /// Models choose tools by their descriptions.
    #[error("tool {} has no description: models choose tools by it", quoted(.name))]
    NoDescription {
        /// Of the tool.
        name: String,
    },
    /// A schema is no JSON Schema.
    #[error("{schema} of tool {} cannot be enforced: {problem}", quoted(.name))]
    Schema {
        /// Of the tool.
        name: String,
        /// `input_schema` or `output_schema`.
        schema: &'static str,
        /// What is wrong, and where.
        problem: SchemaError,
    },
    /// The schema of the arguments describes something else than an object.
    #[error(
        "input_schema of tool {} must be the JSON Schema of an object \
         ({{\"type\": \"object\", \"properties\": {{…}}}}): code calls tools with keyword arguments",
        quoted(.name)
    )]
    NoObject {
        /// Of the tool.
        name: String,
    },
    /// The rules of approval cannot be meant as they are.
    #[error("approval of tool {}: {problem}", quoted(.name))]
    Approval {
        /// Of the tool.
        name: String,
        /// What is wrong with them.
        problem: ApprovalError,
    },
    /// No call could ever be answered in time.
    #[error("the timeout of tool {} must be above 0 seconds", quoted(.name))]
    Timeout {
        /// Of the tool.
        name: String,
    },
    /// A scope names a tool that was not registered.
    #[error("{}", missing(.name, .near.as_deref(), &.known.iter().map(String::as_str).collect::<Vec<_>>()))]
    Unknown {
        /// As it was given.
        name: String,
        /// What may have been meant.
        near: Option<String>,
        /// Every tool there is.
        known: Vec<String>,
    },
}

impl RegistrationError {
    pub(super) fn unknown(name: &str, known: &[&str]) -> Self {
        Self::Unknown {
            name: name.into(),
            near: nearest(name, known.iter().copied()).map(String::from),
            known: known.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A tool that was checked.
pub(super) struct Registered {
    pub(super) spec: ToolSpec,
    pub(super) input: Option<Enforced>,
    pub(super) output: Option<Enforced>,
    pub(super) approval: Option<Approval>,
    pub(super) function: Function,
}

/// A schema, and what enforces it.
pub(super) struct Enforced {
    pub(super) json: Value,
    pub(super) schema: ToolSchema,
}

impl Registered {
    pub(super) fn of(tool: Tool) -> Result<Self, RegistrationError> {
        let Tool { name, description, input_schema, output_schema, timeout, approval, has_context, function } = tool;
        check_name(&name)?;
        if description.trim().is_empty() {
            return Err(RegistrationError::NoDescription { name });
        }
        let input = input_schema.map(|json| enforced(&name, "input_schema", json)).transpose()?;
        let output = output_schema.map(|json| enforced(&name, "output_schema", json)).transpose()?;
        if input.as_ref().is_some_and(|input| !describes_object(&input.json, &input.json, MAX_DEPTH)) {
            return Err(RegistrationError::NoObject { name });
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(RegistrationError::Timeout { name });
        }
        if let Some(approval) = &approval {
            approval
                .check(input.as_ref().map(|input| &input.json))
                .map_err(|problem| RegistrationError::Approval { name: name.clone(), problem })?;
        }
        let text = |schema: &Option<Enforced>| schema.as_ref().map(|schema| schema.json.to_string().into_bytes());
        let (input_schema, output_schema) = (text(&input), text(&output));
        let spec = ToolSpec { name, description, input_schema, output_schema, is_async: true, has_context, timeout };
        Ok(Self { spec, input, output, approval, function })
    }
}

fn check_name(name: &str) -> Result<(), RegistrationError> {
    // A name that Python would write otherwise has something in it that nobody sees.
    let is_printable = quoted(name).chars().count() == name.chars().count() + 2 || name.contains(['\\', '\'', '"']);
    if name.trim().is_empty() || name.chars().any(char::is_control) || !is_printable {
        return Err(RegistrationError::Name { name: name.into() });
    }
    match name.starts_with("__") && name.ends_with("__") {
        true => Err(RegistrationError::Reserved { name: name.into() }),
        false => Ok(()),
    }
}

fn enforced(name: &str, which: &'static str, json: Value) -> Result<Enforced, RegistrationError> {
    match ToolSchema::new(&json) {
        Ok(schema) => Ok(Enforced { json, schema }),
        Err(problem) => Err(RegistrationError::Schema { name: name.into(), schema: which, problem }),
    }
}

/// Whether a schema says that what fits it is an object, or at least names an object's members.
fn describes_object(schema: &Value, root: &Value, depth: usize) -> bool {
    if depth == 0 {
        return false;
    }
    let schema = resolve(schema, root);
    if let Some(kind) = schema.get("type") {
        return kind == "object" || kind.as_array().is_some_and(|kinds| kinds.iter().all(|kind| kind == "object"));
    }
    let branches = |key: &str| schema[key].as_array().into_iter().flatten();
    let mut alternatives = branches("anyOf").chain(branches("oneOf")).peekable();
    if alternatives.peek().is_some() {
        return alternatives.all(|branch| describes_object(branch, root, depth - 1));
    }
    let mut parts = branches("allOf");
    schema.get("properties").is_some() || parts.any(|part| describes_object(part, root, depth - 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{ApprovalAction, Tools};

    fn tool(name: &str) -> Tool {
        Tool::new(name, "A tool", |_: Value| async { Ok(json!(null)) })
    }

    fn refused(tool: Tool) -> String {
        Tools::of([tool]).unwrap_err().to_string()
    }

    #[test]
    fn names_are_seen_and_ones_own() {
        for name in ["", "  ", "a\nb", "a\u{200b}b", "a\u{202e}", "\u{e000}"] {
            assert!(refused(tool(name)).starts_with("a tool's name must be non-empty, printable text"), "{name:?}");
        }
        assert!(refused(tool("__list__")).contains("reserved"));
        for name in ["my-tool", "weather.get", "größe", "it's", "a\"b", "__x", "天气"] {
            assert!(Tools::of([tool(name)]).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let described = Tool::new("x", " \n", |_: Value| async { Ok(json!(null)) });
        assert!(refused(described).contains("'x' has no description"));
        let message = refused(tool("x").input_schema(&json!({"type": "objekt"})));
        assert!(message.starts_with("input_schema of tool 'x' cannot be enforced: `type` at #"), "{message}");
        assert!(refused(tool("x").output_schema(&json!({"minimum": "a"}))).starts_with("output_schema of tool 'x'"));
        for schema in [json!({"type": "string"}), json!({}), json!(true), json!({"anyOf": [{"type": "object"}, {}]})] {
            assert!(
                refused(tool("x").input_schema(&schema)).contains("must be the JSON Schema of an object"),
                "{schema}"
            );
        }
        for schema in [json!({"properties": {}}), json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}})] {
            assert!(Tools::of([tool("x").input_schema(&schema)]).is_ok(), "{schema}");
        }
        assert!(refused(tool("x").timeout(Duration::ZERO)).contains("timeout of tool 'x' must be above 0"));
        let approval = Approval::allow().rule("b", "*", ApprovalAction::Ask);
        let message = refused(tool("x").input_schema(&json!({"properties": {"a": {}}})).approval(approval));
        assert_eq!(message, "approval of tool 'x': the tool has no parameter 'b' (parameters: a)");
    }
}
