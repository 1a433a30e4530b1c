//! The classes of objects: one for each that has properties, under a name of its own.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    text::comment,
    types::{BUILTINS, Definition, Source, TYPING, Types},
};
use crate::{
    python::{is_identifier, quoted},
    schema::{details, members, names, resolve},
};

/// What `Types::imports` calls modules.
const MODULES: [&str; 4] = ["_builtins", "_datetime", "_typing", "_uuid"];

impl Types {
    /// The class of an object with properties, or the same one that is there already: under the same name, or any where
    /// the schema gives it none.
    pub(super) fn class(
        &mut self,
        source: &mut Source<'_>,
        schema: &Value,
        hint: &str,
        target: Option<&str>,
        is_named: bool,
    ) -> String {
        let base = class_name(hint);
        let name = self.free_name(&base);
        if let Some(target) = target {
            source.named.insert(target.to_owned(), name.clone());
        }
        let at = self.definitions.len();
        source.inside += 1;
        let text = self.fields(source, schema, &name);
        source.inside -= 1;
        let twin = self.definitions.iter().find(|other| {
            (!is_named || other.base == base) && nameless(&other.text, &other.name) == nameless(&text, &name)
        });
        if let Some(twin) = twin {
            let twin = twin.name.clone();
            self.taken.remove(&name);
            if let Some(target) = target {
                source.named.insert(target.to_owned(), twin.clone());
            }
            return twin;
        }
        // Before the classes that it uses: a reader wants the whole first.
        self.definitions.insert(at, Definition { name: name.clone(), base, text });
        name
    }

    fn fields(&mut self, source: &mut Source<'_>, schema: &Value, name: &str) -> String {
        let required: BTreeSet<&str> = names(schema, "required").collect();
        let fields: Vec<(&str, String, String)> = members(schema, "properties")
            .filter(|(_, member)| **member != Value::Bool(false))
            .map(|(field, member)| {
                let annotation = self.annotation(source, member, &format!("{name} {field}")).to_string();
                let annotation = match required.contains(field.as_str()) {
                    true => annotation,
                    false => format!("{}[{annotation}]", self.word("NotRequired")),
                };
                (field.as_str(), annotation, remark(member, source.root))
            })
            .collect();
        let dict = self.word("TypedDict");
        let hash = |remark: &str| if remark.is_empty() { String::new() } else { format!("  # {remark}") };
        // A field called `int` would hide the type from those after it, and Python renames what begins with `__`.
        let is_plain = |field: &str| {
            is_identifier(field)
                && !field.starts_with("__")
                && !TYPING.contains(&field)
                && !BUILTINS.contains(&field)
                && !MODULES.contains(&field)
                && (!self.taken.contains(field) || self.has_tool(field))
        };
        if fields.iter().all(|(field, ..)| is_plain(field)) {
            let fields =
                fields.iter().map(|(field, annotation, remark)| format!("    {field}: {annotation}{}\n", hash(remark)));
            return format!("class {name}({dict}):\n{}", non_empty(fields.collect(), "    pass\n"));
        }
        let fields = fields
            .iter()
            .map(|(field, annotation, remark)| format!("    {}: {annotation},{}\n", quoted(field), hash(remark)));
        format!("{name} = {dict}({}, {{\n{}}})\n", quoted(name), fields.collect::<String>())
    }

    /// The arguments of a tool as one class, for names that a signature cannot have.
    pub(super) fn arguments(&mut self, source: &mut Source<'_>, schema: &Value, tool: &str) -> String {
        self.class(source, schema, &format!("{tool} arguments"), None, false)
    }

    pub(super) fn free_name(&mut self, base: &str) -> String {
        let base = if base.is_empty() { "Value" } else { base };
        let numbered = (2..).map(|number: u32| format!("{base}{number}"));
        let free = std::iter::once(base.to_owned()).chain(numbered).find(|name| !self.taken.contains(name));
        let name = free.unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }
}

/// The text of a class but for its own name, to compare it with another's.
fn nameless(text: &str, name: &str) -> String {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut rest = text;
    let mut nameless = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| is_word(character) != is_word(first)).unwrap_or(rest.len());
        nameless += if &rest[..end] == name { "\0" } else { &rest[..end] };
        rest = &rest[end..];
    }
    nameless
}

/// Description and bounds, in a line.
pub(super) fn remark(schema: &Value, root: &Value) -> String {
    let target = resolve(schema, root);
    let said = [schema, target].into_iter().find_map(|schema| schema.get("description").and_then(Value::as_str));
    let bounds = target.as_object().map(|schema: &Map<String, Value>| details(schema)).unwrap_or_default();
    let (said, bounds) = (comment(said.unwrap_or_default()), comment(&bounds));
    // A format stands in brackets, and often alone.
    let bounds = bounds.strip_prefix('(').and_then(|format| format.strip_suffix(')')).unwrap_or(&bounds);
    match (said.as_str(), bounds) {
        (_, "") => said,
        ("", bounds) => bounds.to_owned(),
        (said, bounds) => format!("{} ({bounds})", said.trim_end_matches('.')),
    }
}

/// `forecast day` and `forecast_day` as `ForecastDay`; what is not ASCII is left out.
pub(super) fn class_name(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])).collect();
    name.trim_start_matches(|first: char| first.is_ascii_digit()).to_owned()
}

fn non_empty(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}
