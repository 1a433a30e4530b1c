use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use codemode_types::{ExecutionId, ToolFailure, ToolSpec, nearest};
use serde_json::Value;

use crate::link::Hold;

/// Every execution has these without a registration; they are not in `ToolHost::specs`.
pub const META_TOOLS: [&str; 3] = ["__list__", "__schema__", "__search__"];

/// A call that executed code makes.
#[derive(Clone, Debug)]
pub struct ToolCall {
    pub execution_id: ExecutionId,
    pub call_id: u64,
    pub name: String,
    /// Tagged JSON: an object of keyword arguments. Written by hostile code.
    pub arguments: Vec<u8>,
    /// An answer after this is dropped.
    pub timeout: Duration,
    /// A larger answer becomes a failure.
    pub value_bytes: u64,
    /// Stops the clock of `timeout` while a person is asked.
    pub hold: Hold,
}

/// Resolves to tagged JSON. Dropped when the execution no longer waits for it.
pub type ToolFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, ToolFailure>> + Send>>;

/// The application's tools, as one execution sees them.
pub trait ToolHost: Send + Sync {
    /// Asked once per execution; no call of another name reaches `call`, but for [`META_TOOLS`].
    fn specs(&self) -> Vec<ToolSpec>;

    /// Calls run concurrently, each in a task of its own. Do not block here.
    fn call(&self, call: ToolCall) -> ToolFuture;
}

/// For code that calls nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTools;

impl ToolHost for NoTools {
    fn specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        let failure = unknown(&call.name, &[]);
        Box::pin(async move { Err(failure) })
    }
}

type Function = Arc<dyn Fn(Vec<u8>) -> ToolFuture + Send + Sync>;

/// Closures as tools.
#[derive(Clone, Default)]
pub struct Tools {
    tools: Vec<(ToolSpec, Function)>,
}

impl Tools {
    pub fn new() -> Self {
        Self::default()
    }

    /// A tool on JSON values. `arguments` is an object. An integer that needs more than 64 bits is refused, for `Value`
    /// would silently round it: use [`Tools::raw_tool`] for those.
    pub fn tool<F, R>(self, name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, ToolFailure>> + Send + 'static,
    {
        let function = Arc::new(function);
        self.raw_tool(name, description, move |arguments| {
            let function = Arc::clone(&function);
            async move {
                let value = function(read(&arguments)?).await?;
                Ok(value.to_string().into_bytes())
            }
        })
    }

    /// A tool on tagged JSON as it travels.
    pub fn raw_tool<F, R>(mut self, name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        F: Fn(Vec<u8>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<u8>, ToolFailure>> + Send + 'static,
    {
        let spec =
            ToolSpec { name: name.into(), description: description.into(), is_async: true, ..ToolSpec::default() };
        self.tools.retain(|(existing, _)| existing.name != spec.name);
        self.tools.push((spec, Arc::new(move |arguments| Box::pin(function(arguments)))));
        self
    }

    /// Gives the tool added last a JSON Schema of its arguments.
    pub fn input_schema(mut self, schema: &Value) -> Self {
        if let Some((spec, _)) = self.tools.last_mut() {
            spec.input_schema = Some(schema.to_string().into_bytes());
        }
        self
    }
}

impl ToolHost for Tools {
    fn specs(&self) -> Vec<ToolSpec> {
        self.tools.iter().map(|(spec, _)| spec.clone()).collect()
    }

    fn call(&self, call: ToolCall) -> ToolFuture {
        match self.tools.iter().find(|(spec, _)| spec.name == call.name) {
            Some((_, function)) => function(call.arguments),
            None => {
                let names: Vec<_> = self.tools.iter().map(|(spec, _)| spec.name.as_str()).collect();
                let failure = unknown(&call.name, &names);
                Box::pin(async move { Err(failure) })
            }
        }
    }
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.tools.iter().map(|(spec, _)| &spec.name)).finish()
    }
}

/// The failure of a call to a tool that this execution does not have.
pub(crate) fn unknown(name: &str, known: &[&str]) -> ToolFailure {
    let near: Vec<String> = nearest(name, known.iter().copied()).map(String::from).into_iter().collect();
    let hint = near.first().map_or(".".into(), |near| format!(", did you mean {near:?}?"));
    let there = if known.is_empty() { "there are none".into() } else { format!("there are: {}", known.join(", ")) };
    let mut failure = ToolFailure::new("ToolNotFound", format!("no tool {name:?}{hint} ({there})"));
    failure.suggestions = near;
    failure
}

fn read(arguments: &[u8]) -> Result<Value, ToolFailure> {
    if has_wide_integer(arguments) {
        return Err(ToolFailure::new("OverflowError", "this tool takes integers of at most 64 bits"));
    }
    serde_json::from_slice(arguments)
        .map_err(|error| ToolFailure::new("ValueError", format!("the arguments cannot be read: {error}")))
}

/// Whether a number outside of strings is an integer that neither `i64` nor `u64` holds.
fn has_wide_integer(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' => after_string(after),
            b'-' | b'0'..=b'9' => {
                let (number, after) = rest.split_at(rest.iter().take_while(|byte| is_numeric(**byte)).count());
                if is_wide(number) {
                    return true;
                }
                after
            }
            _ => after,
        };
    }
    false
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'\\', _, after @ ..] => after,
            [b'"', after @ ..] => return after,
            [_, after @ ..] => after,
            [] => return rest,
        };
    }
}

fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

fn is_wide(number: &[u8]) -> bool {
    let integral = !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    // Not valid UTF-8 or not a number at all is the parser's to refuse.
    let Ok(text) = std::str::from_utf8(number) else { return false };
    integral && number.len() > 18 && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_or_refused() {
        for exact in ["9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            assert_eq!(read(exact.as_bytes()).unwrap().to_string(), exact);
        }
        assert_eq!(read(br#"{"a":"99999999999999999999\"9","b":1.5e300}"#).unwrap()["b"], 1.5e300);
        for wide in ["18446744073709551616", r#"{"a":[-9223372036854775809]}"#] {
            assert_eq!(read(wide.as_bytes()).unwrap_err().kind, "OverflowError", "{wide}");
        }
    }

    #[test]
    fn an_unknown_tool_names_the_nearest() {
        let failure = unknown("wether", &["weather", "alert"]);
        assert_eq!(failure.suggestions, ["weather"]);
        assert!(failure.message.contains("weather, alert"), "{}", failure.message);
    }
}
