//! From a schema to what enforces it, or to everything that is wrong with the schema itself.

use jsonschema::{PatternOptions, ReferencingError, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{SchemaError, view::Tagged, words::shown};

/// A wrong `required` of a thousand names is a thousand errors to the meta-schema.
const MAX_PROBLEMS: usize = 20;

pub(super) fn compile(schema: &Value) -> Result<Validator<Tagged>, SchemaError> {
    let options = jsonschema::options_for::<Tagged>()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| {
        let problems = match error.kind() {
            ValidationErrorKind::Referencing(_) => Vec::new(),
            _ => against_meta_schema(schema),
        };
        SchemaError { problems: if problems.is_empty() { vec![unbuildable(&error, schema)] } else { problems } }
    })
}

/// All that is wrong, where the build tells the first.
fn against_meta_schema(schema: &Value) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    // Its `$schema` is one of the drafts: for another, the build would have failed to find it.
    let Ok(meta) = jsonschema::meta::validator_for(schema) else { return problems };
    for error in meta.iter_errors(schema) {
        let problem = wrong(error.instance_path().as_str(), schema);
        // Each vocabulary of a draft says the same once more.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
        if problems.len() == MAX_PROBLEMS {
            break;
        }
    }
    problems
}

/// A keyword, or a whole schema, that is not what it must be.
fn wrong(pointer: &str, schema: &Value) -> String {
    let place = Place::of(pointer, schema);
    let found = |pointer: &str| schema.pointer(pointer).map_or_else(|| "nothing".into(), shown);
    let Some(keyword) = place.keyword else {
        return format!("#{} must be {}, not {}", place.holder, expectation("not"), found(pointer));
    };
    let whole = format!("{}/{keyword}", place.holder);
    let part = if whole == pointer { String::new() } else { format!(" with {} in it", found(pointer)) };
    format!("`{keyword}` at #{} must be {}, not {}{part}", place.holder, expectation(&keyword), found(&whole))
}

fn unbuildable(error: &ValidationError<'_>, schema: &Value) -> String {
    match error.kind() {
        ValidationErrorKind::Referencing(ReferencingError::UnknownSpecification { specification }) => {
            format!("`$schema` names {specification:?}, which is no draft that is known here; leave it out for 2020-12")
        }
        ValidationErrorKind::Referencing(error) => unresolved(error, schema),
        ValidationErrorKind::Format { format } if format == "regex" => no_pattern(error, schema),
        _ => {
            let place = Place::of(error.instance_path().as_str(), schema);
            format!("`{}` at #{}: {error}", place.keyword.as_deref().unwrap_or("$schema"), place.holder)
        }
    }
}

fn no_pattern(error: &ValidationError<'_>, schema: &Value) -> String {
    let pointer = error.instance_path().as_str();
    match pointer.rsplit_once('/') {
        Some((holder, "pattern")) if schema.pointer(pointer).is_some_and(Value::is_string) => {
            wrong(&format!("{holder}/pattern"), schema)
        }
        _ => format!(
            "`patternProperties` at #{} must be an object whose names are regular expressions, and {} is none",
            Place::of(pointer, schema).holder.rsplit_once("/patternProperties").map_or("", |(holder, _)| holder),
            crate::python::quoted(error.instance().as_str().unwrap_or_default()),
        ),
    }
}

fn unresolved(error: &ReferencingError, schema: &Value) -> String {
    let needle = match error {
        ReferencingError::Unretrievable { uri, .. } => uri.as_str(),
        ReferencingError::PointerToNowhere { pointer } => pointer,
        ReferencingError::NoSuchAnchor { anchor } => anchor,
        _ => "",
    };
    let mut references = Vec::new();
    collect_references(schema, "", &mut references);
    let near = |target: &str| {
        let (document, _) = target.split_once('#').unwrap_or((target, ""));
        target.ends_with(needle) || (!document.is_empty() && needle.ends_with(document))
    };
    match references.iter().find(|(_, _, target)| !needle.is_empty() && near(target)) {
        Some((keyword, place, target)) => format!(
            "`{keyword}` at #{place} leads to '{target}', which is not in this schema, and nothing is fetched; put what \
             it means under $defs"
        ),
        None => format!("a reference leads nowhere: {error}"),
    }
}

fn collect_references<'a>(schema: &'a Value, place: &str, found: &mut Vec<(&'a str, String, &'a str)>) {
    let escaped = |step: &str| step.replace('~', "~0").replace('/', "~1");
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if ["$ref", "$dynamicRef", "$recursiveRef"].contains(&name.as_str()) => {
                        found.push((name, place.to_owned(), target));
                    }
                    _ => collect_references(member, &format!("{place}/{}", escaped(name)), found),
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect_references(item, &format!("{place}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// Where in a schema something is: the schema that holds it, and the keyword unless the schema itself is meant.
struct Place {
    holder: String,
    keyword: Option<String>,
}

impl Place {
    fn of(pointer: &str, root: &Value) -> Self {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        let (mut holder, mut at) = (String::new(), 0);
        while let Some(keyword) = steps.get(at) {
            // A keyword that holds schemas leads to another schema; anything else ends the way here.
            let inside = format!("{holder}/{keyword}");
            let is_list = root.pointer(&inside).is_some_and(Value::is_array);
            let below = match *keyword {
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies" => 2,
                "anyOf" | "oneOf" | "allOf" | "prefixItems" => 2,
                "items" if is_list => 2,
                "items"
                | "additionalItems"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties" => 1,
                _ => 0,
            };
            if below == 0 || (below == 2 && steps.len() == at + 1) {
                return Self { holder, keyword: Some((*keyword).to_owned()) };
            }
            holder = format!("{holder}/{}", steps[at..at + below].join("/"));
            at += below;
        }
        Self { holder, keyword: None }
    }
}

fn expectation(keyword: &str) -> &'static str {
    match keyword {
        "type" => "one of array, boolean, integer, null, number, object and string, or a list of these",
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            "an object whose values are schemas"
        }
        "required" => "a list of names, each once",
        "enum" => "a list of values",
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => "a list of schemas that is not empty",
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => "a number",
        "multipleOf" => "a number above 0",
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
        | "maxContains" => "a whole number that is not below 0",
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => "true or false",
        "pattern" => "a regular expression without look-around and backreferences",
        "$ref" | "$id" | "$anchor" | "$schema" | "$comment" | "format" | "title" | "description" => "text",
        "items"
        | "additionalItems"
        | "additionalProperties"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "propertyNames"
        | "unevaluatedItems"
        | "unevaluatedProperties" => "a schema (an object, true or false)",
        _ => "what JSON Schema allows there",
    }
}
