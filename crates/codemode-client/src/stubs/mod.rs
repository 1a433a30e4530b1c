//! Registered tools as a Python stub, which a model reads and mypy checks code against.

mod classes;
mod method;
mod text;
mod types;

use std::collections::BTreeSet;

use codemode_types::ToolSpec;
use serde_json::Value;
use thiserror::Error;

use crate::python::{is_identifier, is_keyword, quoted};
use types::Types;

/// A tool that a stub cannot show, and why.
///
/// ```
/// use codemode_client::{ToolSpec, stubs::stubs};
///
/// let tool = ToolSpec { name: "import".into(), ..ToolSpec::default() };
/// let problem = &stubs(&[tool]).unwrap_err().problems[0];
/// assert_eq!((problem.tool.as_str(), problem.reason), ("import", "is a keyword of Python"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubProblem {
    /// Its name.
    pub tool: String,
    /// In the middle of a sentence.
    pub reason: &'static str,
}

/// Why there is no stub: names that are no identifiers, all of them.
///
/// ```
/// use codemode_client::{Tool, ToolHost, Tools, Value, json, stubs::stubs};
///
/// let tools = Tools::of([Tool::new("my-tool", "Does it", |_: Value| async { Ok(json!(null)) })])?;
/// assert_eq!(
///     stubs(&tools.specs()).unwrap_err().to_string(),
///     "a stub needs identifiers: 'my-tool' is no Python identifier; tools['my-tool'] works without one, so rename the \
///      tool or leave it out",
/// );
/// # Ok::<(), codemode_client::RegistrationError>(())
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", told(problems))]
pub struct StubError {
    /// One for each name.
    pub problems: Vec<StubProblem>,
}

fn told(problems: &[StubProblem]) -> String {
    let each: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", quoted(&problem.tool), problem.reason)).collect();
    let first = problems.first().map(|problem| quoted(&problem.tool)).unwrap_or_default();
    let (it, them) = if problems.len() == 1 { ("the tool", "it") } else { ("the tools", "them") };
    let each = each.join(", ");
    format!("a stub needs identifiers: {each}; tools[{first}] works without one, so rename {it} or leave {them} out")
}

/// The tools as a stub: one method each in a class `Tools`, in the order given, with typed keywords and results. The
/// text is the same for the same tools.
///
/// ```
/// use codemode_client::{Tool, ToolHost, Tools, Value, json, stubs::stubs};
///
/// let schema = json!({
///     "type": "object",
///     "properties": {
///         "location": {"type": "string", "description": "A city."},
///         "units": {"enum": ["metric", "imperial"], "default": "metric"},
///     },
///     "required": ["location"],
/// });
/// let weather = Tool::new("weather", "Weather at a place.", |_: Value| async { Ok(json!(21)) }).input_schema(&schema);
/// let tools = Tools::of([weather])?;
/// let stub = stubs(&tools.specs())?;
/// assert!(stub.contains("def weather(self, *, location: str, units: Literal['metric', 'imperial'] = 'metric') -> Any:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stubs(tools: &[ToolSpec]) -> Result<String, StubError> {
    let unnameable = tools
        .iter()
        .filter_map(|tool| unnameable(&tool.name).map(|reason| StubProblem { tool: tool.name.clone(), reason }));
    let problems: Vec<StubProblem> = unnameable.chain(duplicates(tools)).collect();
    if !problems.is_empty() {
        return Err(StubError { problems });
    }
    let body = Body::of(tools, true);
    Ok(format!("{}\n{}\n{}\n\ntools: Tools\n", usage(tools.first()), body.imports, body.classes))
}

/// A tool for each name that another has already.
pub(crate) fn duplicates(tools: &[ToolSpec]) -> Vec<StubProblem> {
    let mut known = BTreeSet::new();
    let again = tools.iter().filter(|tool| !known.insert(&tool.name));
    again.map(|tool| StubProblem { tool: tool.name.clone(), reason: "is there twice" }).collect()
}

/// Why a tool cannot be reached as `tools.NAME`.
pub(crate) fn unnameable(name: &str) -> Option<&'static str> {
    match name {
        _ if is_keyword(name) => Some("is a keyword of Python"),
        _ if !is_identifier(name) => Some("is no Python identifier"),
        _ if name.starts_with('_') => Some("begins with an underscore, which attributes of tools do not"),
        _ => None,
    }
}

/// The classes of a stub, without what is around them.
pub(crate) struct Body {
    pub(crate) imports: String,
    pub(crate) classes: String,
}

impl Body {
    /// Every name must be one that `unnameable` has nothing against. `whole`: with what `tools` has besides them.
    pub(crate) fn of(tools: &[ToolSpec], whole: bool) -> Self {
        let mut types = Types::new(tools.iter().map(|tool| tool.name.clone()));
        let mut methods: Vec<String> = tools.iter().map(|tool| method::render(&mut types, tool)).collect();
        if whole {
            methods.extend(method::of_all(&mut types));
        }
        let class = format!("class Tools:\n{}", methods.join("\n"));
        let classes = types.definitions().map(|text| format!("{text}\n\n")).collect::<String>() + &class;
        Self { imports: types.imports(), classes }
    }
}

/// The arguments of a call, as far as they can be told in a line: `location=...`.
pub(crate) fn example(tool: &ToolSpec) -> String {
    let schema = schema_of(tool.input_schema.as_deref()).unwrap_or_default();
    let required: Vec<String> = method::required(&schema).map(|name| format!("{name}=...")).collect();
    match required.is_empty() {
        true if method::takes_nothing(&schema) => String::new(),
        true => "...".to_owned(),
        false => required.join(", "),
    }
}

fn usage(first: Option<&ToolSpec>) -> String {
    let (name, arguments) = first.map_or(("NAME", "...".into()), |tool| (tool.name.as_str(), example(tool)));
    format!(
        "\"\"\"The tools that code can call, as `tools`. Arguments go by keyword; a call that fails raises ToolError.\n\n\
         tools.{name}({arguments})  # the same: tools['{name}'].run({arguments})\n\
         await tools['{name}'].arun({arguments})  # the same in async code\n\
         tools['{name}'].map([{{...}}, {{...}}])  # many calls at once, each a dict of arguments; results in order\n\
         tools.gather(tools['{name}'].call({arguments}), ...)  # calls of several tools at once\n\"\"\"\n"
    )
}

/// A schema that cannot be read says nothing of the tool.
pub(crate) fn schema_of(text: Option<&[u8]>) -> Option<Value> {
    text.and_then(|text| serde_json::from_slice(text).ok())
}
