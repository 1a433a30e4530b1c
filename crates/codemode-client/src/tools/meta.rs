//! The tools that every execution has: what is there, how is it called, what would fit.

use std::sync::Arc;

use codemode_types::ToolFailure;
use serde_json::{Map, Value, json};

use super::{ToolCall, registration::Registered, unknown};
use crate::{python::quoted, schema::read_value};

/// Never more than the tools that this execution has.
pub(super) fn answer(tools: &[Arc<Registered>], call: &ToolCall) -> Result<Vec<u8>, ToolFailure> {
    let answer = match call.name.as_str() {
        "__list__" => {
            parameter(call, None)?;
            json!({"tools": tools.iter().map(|tool| outline(tool)).collect::<Vec<_>>(), "count": tools.len()})
        }
        "__schema__" => details(tools, &parameter(call, Some("name"))?)?,
        _ => search(tools, &parameter(call, Some("query"))?),
    };
    Ok(answer.to_string().into_bytes())
}

/// The one argument, where there is one.
fn parameter(call: &ToolCall, name: Option<&str>) -> Result<String, ToolFailure> {
    let given = match read_value(&call.arguments) {
        Ok(Value::Object(given)) => given,
        _ => Map::new(),
    };
    let stray = given.keys().any(|key| Some(key.as_str()) != name);
    let found = name.map_or(Some(""), |name| given.get(name).and_then(Value::as_str));
    match found.filter(|_| !stray) {
        Some(found) => Ok(found.into()),
        None => {
            let takes = name.map_or("no arguments".into(), |name| format!("{name}: str"));
            Err(ToolFailure {
                valid_parameters: name.map(|name| format!("{name}*: str")).into_iter().collect(),
                ..ToolFailure::new(
                    "InvalidArguments",
                    format!("invalid arguments for tool {}: it takes {takes}", quoted(&call.name)),
                )
            })
        }
    }
}

fn outline(tool: &Registered) -> Value {
    json!({
        "name": tool.spec.name,
        "description": tool.spec.description,
        "is_async": tool.spec.is_async,
        "has_context": tool.spec.has_context,
        "has_input_schema": tool.input.is_some(),
        "has_output_schema": tool.output.is_some(),
    })
}

fn details(tools: &[Arc<Registered>], name: &str) -> Result<Value, ToolFailure> {
    let Some(tool) = tools.iter().find(|tool| tool.spec.name == name) else {
        let known: Vec<&str> = tools.iter().map(|tool| tool.spec.name.as_str()).collect();
        return Err(unknown(name, &known));
    };
    Ok(json!({
        "tool_name": tool.spec.name,
        "input_schema": tool.input.as_ref().map(|schema| &schema.json),
        "output_schema": tool.output.as_ref().map(|schema| &schema.json),
        "description": tool.spec.description,
        "is_async": tool.spec.is_async,
        "has_context": tool.spec.has_context,
    }))
}

/// Those whose name, parameters or description have the words of the query, the best first.
fn search(tools: &[Arc<Registered>], query: &str) -> Value {
    let query_words = query.to_lowercase();
    let words: Vec<&str> = query_words
        .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let mut found: Vec<(usize, Value)> = Vec::new();
    for tool in tools {
        if let Some((rank, kind)) = rank(tool, &words) {
            let mut outline = outline(tool);
            outline["match_type"] = kind.into();
            found.push((rank, outline));
        }
    }
    found.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let matches: Vec<Value> = found.into_iter().map(|(_, outline)| outline).collect();
    json!({"count": matches.len(), "matches": matches, "query": query})
}

/// How well a tool fits the words, and where they were found.
fn rank(tool: &Registered, words: &[&str]) -> Option<(usize, &'static str)> {
    let parameters = tool.input.as_ref().and_then(|input| input.json["properties"].as_object());
    let parameters: Vec<&str> = parameters.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let places = [
        (100, "name", tool.spec.name.to_lowercase()),
        (10, "parameter", parameters.join(" ").to_lowercase()),
        (1, "description", tool.spec.description.to_lowercase()),
    ];
    places.into_iter().find_map(|(weight, kind, text)| {
        let hits = words.iter().filter(|word| text.contains(**word)).count();
        (hits > 0).then_some((weight * hits, kind))
    })
}
