//! Properties by their dotted names.

use serde_json::{Map, Value, json};

use super::rules::Rule;

#[derive(Debug, Default)]
pub(super) struct Section(Vec<(String, Node)>);

#[derive(Debug)]
enum Node {
    Leaf(Vec<Rule>),
    Section(Section),
}

impl Section {
    /// What both sides have under one name is allowed as either has it.
    pub(super) fn put(&mut self, path: &str, rule: Rule) {
        match path.split_once('.') {
            Some((section, rest)) => {
                if let Node::Section(inner) = self.slot(section, || Node::Section(Self::default())) {
                    inner.put(rest, rule);
                }
            }
            None => {
                if let Node::Leaf(rules) = self.slot(path, || Node::Leaf(Vec::new())) {
                    rules.push(rule);
                }
            }
        }
    }

    fn slot(&mut self, name: &str, new: impl FnOnce() -> Node) -> &mut Node {
        let at = self.0.iter().position(|(held, _)| held == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The properties, and what several of them refer to: blocks that stand at the root and under `executor`.
    pub(super) fn finish(self) -> (Value, Map<String, Value>) {
        let mut properties = self.properties();
        let mut definitions = Map::new();
        let at_root = properties.clone();
        if let Some(nested) = properties.get_mut("executor").and_then(|it| it.get_mut("properties")?.as_object_mut()) {
            nested.retain(|name, block| {
                let shared = block.get("properties").is_some() && at_root.get(name) == Some(block);
                if shared {
                    definitions.insert(name.clone(), std::mem::take(block));
                    *block = reference(name);
                }
                true
            });
        }
        for name in definitions.keys() {
            properties.insert(name.clone(), reference(name));
        }
        (Value::Object(properties), definitions)
    }

    fn properties(self) -> Map<String, Value> {
        let property = |(name, node)| match node {
            Node::Leaf(rules) => (name, Rule::joined(rules)),
            Node::Section(section) => {
                let properties = section.properties();
                (name, json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties}))
            }
        };
        self.0.into_iter().map(property).collect()
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}
