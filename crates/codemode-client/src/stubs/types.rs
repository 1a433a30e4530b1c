//! From JSON Schema to Python's types: annotations, and the classes and aliases that they name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::classes::class_name;
use crate::{
    python::literal,
    schema::{items, kinds, members, resolve},
};

pub(super) const TYPING: [&str; 6] = ["Any", "Literal", "NotRequired", "TypeAlias", "TypedDict", "Unpack"];
pub(super) const BUILTINS: [&str; 7] = ["bool", "bytes", "dict", "float", "int", "list", "str"];
/// Nothing that a person writes nests deeper, and what does is no help to a reader.
const MAX_DEPTH: usize = 24;

/// Everything that one stub defines and uses.
pub(super) struct Types {
    /// Tools are methods: in their class, a tool called `list` hides the type.
    tools: BTreeSet<String>,
    pub(super) taken: BTreeSet<String>,
    imports: BTreeSet<&'static str>,
    modules: BTreeSet<&'static str>,
    pub(super) definitions: Vec<Definition>,
}

pub(super) struct Definition {
    pub(super) name: String,
    pub(super) base: String,
    pub(super) text: String,
}

/// The members of a union, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Annotation(pub(super) Vec<String>);

impl Annotation {
    fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    fn union(all: impl IntoIterator<Item = Self>) -> Self {
        let mut union = Self::default();
        for member in all.into_iter().flat_map(|annotation| annotation.0) {
            if !union.0.contains(&member) {
                union.0.push(member);
            }
        }
        union.0.sort_by_key(|member| member == "None");
        union
    }
}

impl std::fmt::Display for Annotation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(" | "))
    }
}

/// One schema that is being rendered.
pub(super) struct Source<'a> {
    pub(super) root: &'a Value,
    /// Code receives such values, and some that schemas call text arrive as Python's own types.
    is_result: bool,
    /// References under way, with how deep in containers each began.
    open: Vec<(String, usize)>,
    /// The names of references that lead back to themselves, and of those that are classes.
    pub(super) named: BTreeMap<String, String>,
    pub(super) inside: usize,
    depth: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(root: &'a Value, is_result: bool) -> Self {
        Self { root, is_result, open: Vec::new(), named: BTreeMap::new(), inside: 0, depth: 0 }
    }
}

impl Types {
    pub(super) fn new(tools: impl Iterator<Item = String>) -> Self {
        let tools: BTreeSet<String> = tools.collect();
        let own = TYPING.iter().chain(&["Tools", "None", "True", "False"]).map(|name| (*name).to_owned());
        let taken = own.chain(tools.iter().cloned()).collect();
        Self { tools, taken, imports: BTreeSet::new(), modules: BTreeSet::new(), definitions: Vec::new() }
    }

    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.tools.contains(name)
    }

    pub(super) fn definitions(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().map(|definition| definition.text.as_str())
    }

    pub(super) fn imports(&self) -> String {
        let modules = self.modules.iter().map(|module| format!("import {module} as _{module}\n"));
        let names: Vec<&str> = self.imports.iter().copied().collect();
        let names = if names.is_empty() { String::new() } else { format!("from typing import {}\n", names.join(", ")) };
        modules.collect::<String>() + &names
    }

    /// A word of Python's or of its `typing`, by a road that no tool's name blocks.
    pub(super) fn word(&mut self, word: &'static str) -> String {
        let module = if TYPING.contains(&word) { "typing" } else { "builtins" };
        if self.tools.contains(word) {
            self.modules.insert(module);
            return format!("_{module}.{word}");
        }
        if module == "typing" {
            self.imports.insert(word);
        }
        word.to_owned()
    }

    pub(super) fn any(&mut self) -> Annotation {
        Annotation::one(self.word("Any"))
    }

    /// What the schema says, in a type; `hint` names a class where the schema does not.
    pub(super) fn annotation(&mut self, source: &mut Source<'_>, schema: &Value, hint: &str) -> Annotation {
        if source.depth == MAX_DEPTH {
            return self.any();
        }
        source.depth += 1;
        let annotation = self.rendered(source, schema, hint);
        source.depth -= 1;
        let any = if self.tools.contains("Any") { "_typing.Any" } else { "Any" };
        if annotation.0.iter().any(|member| member == any) { self.any() } else { annotation }
    }

    fn rendered(&mut self, source: &mut Source<'_>, schema: &Value, hint: &str) -> Annotation {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            return self.reference(source, target, hint);
        }
        if schema.get("enum").is_some_and(Value::is_array) {
            return self.choices(&items(schema, "enum").collect::<Vec<_>>());
        }
        if let Some(value) = schema.get("const") {
            return self.choices(&[value]);
        }
        for key in ["anyOf", "oneOf"] {
            let branches: Vec<_> = items(schema, key).collect();
            if !branches.is_empty() {
                return Annotation::union(branches.into_iter().map(|branch| self.annotation(source, branch, hint)));
            }
        }
        if items(schema, "allOf").next().is_some() {
            return self.all_of(source, schema, hint);
        }
        match kinds(schema).as_slice() {
            [] if schema.get("properties").is_some() => self.object(source, schema, hint),
            [] if schema.get("items").is_some() || schema.get("prefixItems").is_some() => {
                self.list(source, schema, hint)
            }
            [] => self.any(),
            kinds => Annotation::union(kinds.iter().map(|kind| self.kind(source, kind, schema, hint))),
        }
    }

    fn kind(&mut self, source: &mut Source<'_>, kind: &str, schema: &Value, hint: &str) -> Annotation {
        match kind {
            "string" => self.text(source, schema),
            "integer" => Annotation::one(self.word("int")),
            "number" => Annotation::one(self.word("float")),
            "boolean" => Annotation::one(self.word("bool")),
            "null" => Annotation::one("None"),
            "array" => self.list(source, schema, hint),
            "object" => self.object(source, schema, hint),
            _ => self.any(),
        }
    }

    /// Where a result is typed in Python, text of these formats arrives as what it stands for.
    fn text(&mut self, source: &Source<'_>, schema: &Value) -> Annotation {
        let native = match schema.get("format").and_then(Value::as_str).filter(|_| source.is_result) {
            Some("date-time") => Some(("datetime", "datetime")),
            Some("date") => Some(("datetime", "date")),
            Some("time") => Some(("datetime", "time")),
            Some("duration") => Some(("datetime", "timedelta")),
            Some("uuid") => Some(("uuid", "UUID")),
            _ => None,
        };
        let native = native.map(|(module, name)| {
            self.modules.insert(module);
            format!("_{module}.{name}")
        });
        Annotation::union([Annotation::one(self.word("str")), Annotation(native.into_iter().collect())])
    }

    fn choices(&mut self, choices: &[&Value]) -> Annotation {
        let nameable =
            |choice: &Value| !(choice.is_number() || choice.is_array() || choice.is_object()) || choice.is_i64();
        if choices.iter().all(|choice| choice.is_null()) {
            return Annotation::one("None");
        }
        if choices.iter().all(|choice| nameable(choice)) {
            let listed: Vec<String> = choices.iter().map(|choice| literal(choice)).collect();
            return Annotation::one(format!("{}[{}]", self.word("Literal"), listed.join(", ")));
        }
        Annotation::union(choices.iter().map(|choice| match choice {
            Value::Null => Annotation::one("None"),
            Value::Bool(_) => Annotation::one(self.word("bool")),
            Value::Number(number) if number.is_f64() => Annotation::one(self.word("float")),
            Value::Number(_) => Annotation::one(self.word("int")),
            Value::String(_) => Annotation::one(self.word("str")),
            Value::Array(_) => self.generic("list", &[]),
            Value::Object(_) => self.generic("dict", &[]),
        }))
    }

    /// `list[…]` or `dict[str, …]`.
    fn generic(&mut self, kind: &'static str, of: &[Annotation]) -> Annotation {
        let of = if of.is_empty() { self.any() } else { Annotation::union(of.iter().cloned()) };
        let key = if kind == "dict" { format!("{}, ", self.word("str")) } else { String::new() };
        Annotation::one(format!("{}[{key}{of}]", self.word(kind)))
    }

    fn list(&mut self, source: &mut Source<'_>, schema: &Value, hint: &str) -> Annotation {
        source.inside += 1;
        let rest = schema.get("items").filter(|rest| rest.is_object());
        // Before 2020-12, `items` could be the list of what is now `prefixItems`.
        let first = items(schema, "prefixItems").chain(items(schema, "items"));
        let of: Vec<Annotation> = first.chain(rest).map(|item| self.annotation(source, item, hint)).collect();
        source.inside -= 1;
        self.generic("list", &of)
    }

    fn object(&mut self, source: &mut Source<'_>, schema: &Value, hint: &str) -> Annotation {
        if members(schema, "properties").next().is_some() {
            return Annotation::one(match schema.get("title").and_then(Value::as_str).map(class_name) {
                Some(title) if !title.is_empty() => self.class(source, schema, &title, None, true),
                _ => self.class(source, schema, hint, None, false),
            });
        }
        source.inside += 1;
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let others = members(schema, "patternProperties").map(|(_, member)| member).chain(others);
        let of: Vec<Annotation> = others.map(|member| self.annotation(source, member, hint)).collect();
        source.inside -= 1;
        self.generic("dict", &of)
    }

    /// Follows it, and gives what leads back to itself a name.
    fn reference(&mut self, source: &mut Source<'_>, target: &str, hint: &str) -> Annotation {
        if let Some(name) = source.named.get(target) {
            return Annotation::one(name);
        }
        if let Some((_, began)) = source.open.iter().find(|(open, _)| open == target) {
            // Nothing between the name and itself: it says nothing.
            if *began == source.inside {
                return self.any();
            }
            let name = self.free_name(&class_name(last_step(target)));
            source.named.insert(target.to_owned(), name.clone());
            return Annotation::one(name);
        }
        let root = source.root;
        let schema = resolve_one(target, root);
        let step = last_step(target);
        let name = if class_name(step).is_empty() { hint } else { step };
        if is_class(schema) {
            return Annotation::one(self.class(source, schema, name, Some(target), true));
        }
        source.open.push((target.to_owned(), source.inside));
        let annotation = self.annotation(source, schema, name);
        source.open.pop();
        let Some(name) = source.named.get(target).cloned() else { return annotation };
        let text = format!("{name}: {} = {annotation}\n", self.word("TypeAlias"));
        self.definitions.push(Definition { base: String::new(), name: name.clone(), text });
        Annotation::one(name)
    }

    /// All parts at once: one object of all their members, or the first part that says anything.
    fn all_of(&mut self, source: &mut Source<'_>, schema: &Value, hint: &str) -> Annotation {
        let root = source.root;
        let alone = schema.as_object().map(|schema| {
            let alone = schema.iter().filter(|(key, _)| *key != "allOf");
            Value::Object(alone.map(|(key, value)| (key.clone(), value.clone())).collect())
        });
        let parts: Vec<&Value> = items(schema, "allOf").chain(&alone).collect();
        if parts.iter().filter(|part| is_class(resolve(part, root))).count() > 1 {
            return self.object(source, &merged(parts.iter().map(|part| resolve(part, root))), hint);
        }
        let any = self.any();
        let mut said = parts.iter().map(|part| self.annotation(source, part, hint));
        said.find(|annotation| *annotation != any).unwrap_or(any)
    }
}

fn is_class(schema: &Value) -> bool {
    let is_only_object = matches!(kinds(schema).as_slice(), [] | ["object"]);
    let is_other = ["$ref", "enum", "const", "anyOf", "oneOf", "allOf"].iter().any(|key| schema.get(key).is_some());
    is_only_object && !is_other && members(schema, "properties").next().is_some()
}

fn merged<'a>(parts: impl Iterator<Item = &'a Value>) -> Value {
    let (mut properties, mut required, mut title) = (Map::new(), Vec::new(), None);
    for part in parts {
        properties.extend(members(part, "properties").map(|(name, member)| (name.clone(), member.clone())));
        required.extend(items(part, "required").cloned());
        title = part.get("title").cloned().or(title);
    }
    let mut whole = Map::new();
    whole.insert("properties".into(), Value::Object(properties));
    whole.insert("required".into(), Value::Array(required));
    whole.extend(title.map(|title| ("title".into(), title)));
    Value::Object(whole)
}

/// What a reference names, which may be another reference.
fn resolve_one<'a>(target: &str, root: &'a Value) -> &'a Value {
    crate::schema::at_reference(target, root).unwrap_or(&Value::Null)
}

fn last_step(target: &str) -> &str {
    target.rsplit(['/', '#']).next().unwrap_or_default()
}
