//! One tool as a method: its signature and its docstring.

use codemode_types::ToolSpec;
use serde_json::Value;

use super::{
    classes::remark,
    schema_of,
    text::docstring,
    types::{Annotation, Source, Types},
};
use crate::{
    python::{is_identifier, literal},
    schema::{items, members, names, resolve},
};

const INDENT: &str = "        ";
/// Longer signatures are written with a line for each parameter.
const MAX_LINE: usize = 110;
/// Of a default that only the docstring shows, in characters.
const MAX_DEFAULT: usize = 80;

pub(super) fn render(types: &mut Types, tool: &ToolSpec) -> String {
    let input = schema_of(tool.input_schema.as_deref()).unwrap_or_default();
    let output = schema_of(tool.output_schema.as_deref());
    let shape = resolve(&input, &input);
    let mut source = Source::new(&input, false);
    let mut remarks = Vec::new();
    let parameters = match members(shape, "properties").all(|(name, _)| is_parameter(name)) {
        true => keywords(types, &mut source, &input, &tool.name, &mut remarks),
        false => {
            let unpack = types.word("Unpack");
            vec!["/".to_owned(), format!("**arguments: {unpack}[{}]", types.arguments(&mut source, shape, &tool.name))]
        }
    };
    let result = match &output {
        Some(output) => types.annotation(&mut Source::new(output, true), output, &format!("{} result", tool.name)),
        None => types.any(),
    };
    let signature = signature(&tool.name, &parameters, &result);
    match documentation(&tool.description, &remarks) {
        text if text.is_empty() => format!("    {signature} ...\n"),
        text => format!("    {signature}\n{INDENT}{}\n", docstring(&text, INDENT)),
    }
}

/// What `tools` has besides the tools; a tool of the same name wins.
pub(super) fn of_all(types: &mut Types) -> Vec<String> {
    let (any, text, list) = (types.word("Any"), types.word("str"), types.word("list"));
    let mut methods = vec![format!("    def __getitem__(self, name: {text}) -> {any}: ...\n")];
    if !types.has_tool("gather") {
        let flag = types.word("bool");
        methods.push(format!(
            "    def gather(self, *calls: {any}, return_exceptions: {flag} = False) -> {list}[{any}]: ...\n"
        ));
    }
    methods
}

/// The names of required parameters that can be written as keywords.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    names(resolve(schema, schema), "required").filter(|name| is_parameter(name))
}

pub(super) fn takes_nothing(schema: &Value) -> bool {
    let shape = resolve(schema, schema);
    members(shape, "properties").next().is_none() && shape.get("additionalProperties") == Some(&Value::Bool(false))
}

/// Names in a class that begin with two underscores are not what they seem.
fn is_parameter(name: &str) -> bool {
    is_identifier(name) && name != "self" && !name.starts_with("__")
}

fn keywords(
    types: &mut Types,
    source: &mut Source<'_>,
    root: &Value,
    tool: &str,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let shape = resolve(root, root);
    let mut parameters = Vec::new();
    let properties: Vec<_> =
        members(shape, "properties").filter(|(_, member)| **member != Value::Bool(false)).collect();
    for (name, member) in &properties {
        let annotation = types.annotation(source, member, &format!("{tool} {name}"));
        let mut said = remark(member, root);
        let mut parameter = format!("{name}: {annotation}");
        if !names(shape, "required").any(|required| required == *name) {
            let default = member.get("default");
            let shown = default.filter(|default| fits(default, &annotation, resolve(member, root))).map(literal);
            if let (None, Some(default)) = (&shown, default) {
                let default: String = literal(default).chars().take(MAX_DEFAULT).collect();
                said = format!("{said} (default: {default})").trim_start().to_owned();
            }
            parameter += &format!(" = {}", shown.unwrap_or_else(|| "...".into()));
        }
        if !said.is_empty() {
            remarks.push(format!("{name}: {said}"));
        }
        parameters.push(parameter);
    }
    if !parameters.is_empty() {
        parameters.insert(0, "*".into());
    }
    if let Some(others) = others(types, source, shape, tool) {
        let taken = |name: &String| properties.iter().any(|(taken, _)| *taken == name);
        let free = (0..).map(|number| format!("more{}", "_".repeat(number))).find(|name| !taken(name));
        parameters.push(format!("**{}: {others}", free.unwrap_or_default()));
    }
    parameters
}

/// The type of arguments that have no name in the schema, where it speaks of them. JSON Schema allows them wherever it
/// does not: a reader who is told so invents some.
fn others(types: &mut Types, source: &mut Source<'_>, shape: &Value, tool: &str) -> Option<Annotation> {
    match shape.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(others @ Value::Object(_)) => Some(types.annotation(source, others, &format!("{tool} other"))),
        Some(_) => Some(types.any()),
        None => members(shape, "properties").next().is_none().then(|| types.any()),
    }
}

/// Whether a default can stand in the signature: a scalar of the parameter's own type.
fn fits(default: &Value, annotation: &Annotation, schema: &Value) -> bool {
    let has = |words: &[&str]| annotation.0.iter().any(|part| words.contains(&part.rsplit('.').next().unwrap_or(part)));
    let is_choice = items(schema, "enum").chain(schema.get("const")).any(|choice| choice == default);
    match default {
        Value::Null => has(&["None", "Any"]),
        Value::Bool(_) => has(&["bool", "Any"]) || is_choice,
        Value::Number(number) if number.is_f64() => has(&["float", "Any"]),
        Value::Number(_) => has(&["int", "float", "Any"]) || is_choice,
        Value::String(_) => has(&["str", "Any"]) || is_choice,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn signature(name: &str, parameters: &[String], result: &Annotation) -> String {
    let mut all = vec!["self".to_owned()];
    all.extend_from_slice(parameters);
    let line = format!("def {name}({}) -> {result}:", all.join(", "));
    match line.chars().count() > MAX_LINE {
        false => line,
        true => format!("def {name}(\n{INDENT}{},\n    ) -> {result}:", all.join(&format!(",\n{INDENT}"))),
    }
}

fn documentation(description: &str, remarks: &[String]) -> String {
    match (description.trim(), remarks) {
        (said, []) => said.to_owned(),
        ("", remarks) => remarks.join("\n"),
        (said, remarks) => format!("{said}\n\n{}", remarks.join("\n")),
    }
}
