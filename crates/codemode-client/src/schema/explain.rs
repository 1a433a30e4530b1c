//! From the validator's errors to sentences: which part, what was expected, what came.

use std::borrow::Cow;

use codemode_types::nearest;
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::{
    SchemaProblem, Step,
    view::{NO_TEXT, Shape, Tagged, View, shape},
    words::{describe, resolve, shown},
    work::Work,
};

const MAX_PROBLEMS: usize = 100;
/// Of a name that the value chose, in characters.
const MAX_NAME: usize = 60;

/// What is wrong with a value that does not fit. `spent`: it took too much work to find out whether it does.
pub(super) fn problems(validator: &Validator<Tagged>, root: &Value, value: &Value, spent: bool) -> Vec<SchemaProblem> {
    let mut explanation = Explanation { root, value, problems: Vec::new() };
    if spent {
        explanation.say(Vec::new(), "is too large or too deeply nested to be checked".into());
        return explanation.problems;
    }
    let work = Work::for_explanation();
    for error in validator.iter_errors(View::new(value, &work)) {
        explanation.tell(&error);
    }
    let more = explanation.is_full();
    let mut problems = std::mem::take(&mut explanation.problems);
    problems.sort_by_cached_key(|problem| explanation.order(&problem.path));
    problems.truncate(MAX_PROBLEMS - 1);
    explanation.problems = problems;
    if explanation.problems.is_empty() {
        explanation.say(Vec::new(), format!("expected {}, got {}", describe(root, root), shown(value)));
    }
    if more {
        explanation.say(Vec::new(), "there are more problems than are told here".into());
    }
    explanation.problems
}

struct Explanation<'a> {
    root: &'a Value,
    value: &'a Value,
    problems: Vec<SchemaProblem>,
}

impl<'a> Explanation<'a> {
    fn tell(&mut self, error: &ValidationError<'_>) {
        // See `View::to_value`: errors that were made after the work was used up say nothing of the value.
        if **error.instance() == Value::Bool(false) || self.is_full() {
            return;
        }
        let Some((path, given)) = self.locate(error.instance_path().as_str()) else { return };
        let holder = self.holder(error);
        match error.kind() {
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let schema = member_schema(holder, name, self.root);
                self.say(joined(path, name), format!("required, but missing ({})", describe(schema, self.root)));
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let known = known_names(holder, self.root);
                for name in unexpected.iter().take(MAX_PROBLEMS) {
                    self.unexpected(path.clone(), name, &known);
                }
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match meant(context, error) {
                Some(branch) => branch.iter().for_each(|error| self.tell(error)),
                None => self.invalid(path, holder, given),
            },
            Kind::PropertyNames { error } => {
                let name = shown(error.instance());
                let expected = describe(self.holder(error), self.root);
                self.say(path, format!("expected {expected} as a name, got {name}"));
            }
            Kind::Contains => {
                let item = describe(holder.get("contains").unwrap_or(&Value::Null), self.root);
                self.say(path, format!("expected a list with {item} in it, got {}", shown(given)));
            }
            Kind::AdditionalItems { limit } => {
                self.say(path, format!("expected a list with at most {limit} items, got {}", shown(given)));
            }
            Kind::UnevaluatedItems { .. } => {
                self.say(path, format!("has items that are not allowed, got {}", shown(given)));
            }
            Kind::FalseSchema => self.say(path, "not allowed".into()),
            _ => self.invalid(path, holder, given),
        }
    }

    /// Where in the value it is: what is missing first, then in the value's order.
    fn order(&self, path: &[Step]) -> Vec<usize> {
        let mut value = Some(self.value);
        let mut order = Vec::new();
        for step in path {
            let (at, member) = match (value.map(shape), step) {
                (Some(Shape::Members(members)), Step::Name(name)) => members.position(name).unzip(),
                (Some(Shape::Items(items)), Step::Index(index)) => (Some(*index), items.get(*index)),
                _ => (None, None),
            };
            order.push(at.map_or(0, |at| at + 1));
            value = member;
        }
        order
    }

    fn say(&mut self, path: Vec<Step>, message: String) {
        self.add(SchemaProblem { path, message, near: Vec::new() });
    }

    /// A value that breaks two keywords is told once: the sentence names them all.
    fn add(&mut self, problem: SchemaProblem) {
        if !self.is_full() && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn is_full(&self) -> bool {
        self.problems.len() == MAX_PROBLEMS
    }

    fn invalid(&mut self, path: Vec<Step>, schema: &Value, given: &Value) {
        self.say(path, format!("expected {}, got {}", describe(schema, self.root), shown(given)));
    }

    fn unexpected(&mut self, path: Vec<Step>, name: &str, known: &[&str]) {
        let noun = if path.is_empty() { "parameter" } else { "field" };
        let near = nearest(name, known.iter().copied()).map(String::from);
        let hint = match &near {
            Some(near) => format!(", did you mean {}?", crate::python::quoted(near)),
            None if known.is_empty() => String::new(),
            None => format!("; valid: {}", known.join(", ")),
        };
        let message = format!("no such {noun}{hint}");
        self.add(SchemaProblem { path: joined(path, name), message, near: near.into_iter().collect() });
    }

    /// The steps of a JSON pointer, and the value there.
    fn locate(&self, pointer: &str) -> Option<(Vec<Step>, &'a Value)> {
        let (mut path, mut value) = (Vec::new(), self.value);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            (path, value) = match shape(value) {
                Shape::Items(items) => {
                    let index: usize = step.parse().ok()?;
                    path.push(Step::Index(index));
                    (path, items.get(index)?)
                }
                Shape::Members(members) => (joined(path, &step), members.get(&step)?),
                _ => return None,
            };
        }
        Some((path, value))
    }

    /// The schema that holds the keyword which the error is about. The path of a boolean schema is its own.
    fn holder(&self, error: &ValidationError<'_>) -> &'a Value {
        let path = error.schema_path().as_str();
        let pointer = path.rsplit_once('/').map_or("", |(holder, _)| holder);
        self.resource(error).and_then(|resource| resource.pointer(pointer)).unwrap_or(&Value::Null)
    }

    /// The document that paths in the schema begin at: the whole schema, or one within it that has an `$id`.
    fn resource(&self, error: &ValidationError<'_>) -> Option<&'a Value> {
        let uri = error.absolute_keyword_location().map(|uri| uri.as_str().split('#').next().unwrap_or_default());
        match uri {
            None => Some(self.root),
            Some(uri) if id(self.root) == Some(uri) => Some(self.root),
            Some(uri) => embedded(self.root, uri),
        }
    }
}

fn id(schema: &Value) -> Option<&str> {
    schema.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'))
}

/// By its `$id`, which may be relative to the schema's own.
fn embedded<'a>(schema: &'a Value, uri: &str) -> Option<&'a Value> {
    let is_it = |id: &str| uri.strip_suffix(id).is_some_and(|base| base.is_empty() || base.ends_with('/'));
    if id(schema).is_some_and(is_it) {
        return Some(schema);
    }
    match schema {
        Value::Object(members) => members.values().find_map(|member| embedded(member, uri)),
        Value::Array(items) => items.iter().find_map(|item| embedded(item, uri)),
        _ => None,
    }
}

fn joined(mut path: Vec<Step>, name: &str) -> Vec<Step> {
    let name = name.strip_prefix(NO_TEXT).unwrap_or(name);
    let name: Cow<'_, str> = match name.char_indices().nth(MAX_NAME) {
        None => name.into(),
        Some((end, _)) => format!("{}...", &name[..end]).into(),
    };
    path.push(Step::Name(name.into_owned()));
    path
}

fn member_schema<'a>(schema: &'a Value, name: &str, root: &'a Value) -> &'a Value {
    resolve(schema, root).get("properties").and_then(|properties| properties.get(name)).unwrap_or(&Value::Null)
}

/// The names that a schema describes, those of its parts included.
fn known_names<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a str> {
    let schema = resolve(schema, root);
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| super::words::items(schema, key));
    let mut known: Vec<&str> = Vec::new();
    for schema in std::iter::once(schema).chain(parts.map(|part| resolve(part, root))) {
        for (name, _) in super::words::members(schema, "properties") {
            if !known.contains(&name.as_str()) {
                known.push(name);
            }
        }
    }
    known
}

/// The errors of the one alternative that the value was meant for, if there is one: of the alternatives that take its
/// kind of value, and of those the ones whose constants it has.
fn meant<'e>(
    branches: &'e [Vec<ValidationError<'static>>],
    whole: &ValidationError<'_>,
) -> Option<&'e [ValidationError<'static>]> {
    let at = whole.instance_path().as_str();
    let is_kind = |error: &ValidationError<'_>| {
        matches!(error.kind(), Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. } | Kind::FalseSchema)
    };
    let below = |error: &ValidationError<'_>| {
        error.instance_path().as_str().strip_prefix(at).is_some_and(|rest| rest.matches('/').count() == 1)
    };
    let of_its_kind: Vec<&Vec<_>> = branches
        .iter()
        .filter(|errors| !errors.iter().any(|error| is_kind(error) && error.instance_path().as_str() == at))
        .collect();
    let is_other =
        |error: &ValidationError<'_>| matches!(error.kind(), Kind::Enum { .. } | Kind::Constant { .. }) && below(error);
    let discriminated: Vec<&Vec<_>> =
        of_its_kind.iter().copied().filter(|errors| !errors.iter().any(is_other)).collect();
    match (of_its_kind.as_slice(), discriminated.as_slice()) {
        ([only], _) | (_, [only]) if !only.is_empty() => Some(only.as_slice()),
        _ => None,
    }
}
