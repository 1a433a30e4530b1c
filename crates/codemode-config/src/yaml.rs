//! A YAML file as a tree of values, and the line of everything in it.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use codemode_types::{Place, Problem};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};
use serde_saphyr::{Options, Spanned, UserMessageFormatter, options::DuplicateKeyPolicy};

use crate::ConfigError;

/// Where each key and each member of a list stands, by its path: `limits.cpus`, `network.ports[0]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl Places {
    pub(crate) fn get(&self, path: &str) -> Option<Place> {
        self.0.get(path).cloned()
    }

    /// Of the member if it is known, else of the whole list.
    pub(crate) fn of_item(&self, path: &str, item: Option<usize>) -> Option<Place> {
        item.and_then(|item| self.get(&member(path, item))).or_else(|| self.get(path))
    }
}

pub(crate) fn member(path: &str, item: usize) -> String {
    format!("{path}[{item}]")
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Reads a file. A key that is given twice is a problem, and its first value counts.
pub(crate) fn read(path: &Path, problems: &mut Vec<Problem>) -> Result<(Value, Places), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let blank = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    if text.lines().all(blank) {
        return Ok((Value::Null, Places::default()));
    }
    let options = {
        let mut options = Options::default();
        options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
        // Without the lines around the place: one of them may hold a key, and this goes to the log.
        options.with_snippet = false;
        options
    };
    let node: Spanned<Node> = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map(|location| location.line());
        // In the words for who wrote the file; the plain ones name functions of the library.
        let message = error.render_with_formatter(&UserMessageFormatter);
        ConfigError::Yaml { path: path.into(), line, message }
    })?;
    let mut reader = Reader { file: path, places: Places::default(), problems };
    reader.note("", node.referenced.line());
    let value = reader.value(node.value, "");
    Ok((value, reader.places))
}

enum Node {
    Leaf(Value),
    List(Vec<Spanned<Node>>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

struct Reader<'a> {
    file: &'a Path,
    places: Places,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn value(&mut self, node: Node, path: &str) -> Value {
        match node {
            Node::Leaf(value) => value,
            Node::List(items) => {
                let items = items.into_iter().enumerate().map(|(item, node)| {
                    let path = member(path, item);
                    self.note(&path, node.referenced.line());
                    self.value(node.value, &path)
                });
                Value::Array(items.collect())
            }
            Node::Mapping(members) => self.mapping(members, path),
        }
    }

    fn mapping(&mut self, members: Vec<(Spanned<String>, Node)>, path: &str) -> Value {
        let mut read = Map::new();
        for (name, node) in members {
            let (path, line) = (join(path, &name.value), name.referenced.line());
            if read.contains_key(&name.value) {
                let first = self.places.get(&path).map_or(0, |place| place.line);
                let place = Place { file: self.file.into(), line };
                let message = format!("is given twice, first on line {first}; keep one");
                self.problems.push(Problem::new(path, message).at(Some(place)));
                continue;
            }
            self.note(&path, line);
            let value = self.value(node, &path);
            read.insert(name.value, value);
        }
        Value::Object(read)
    }

    fn note(&mut self, path: &str, line: u64) {
        self.places.0.insert(path.to_owned(), Place { file: self.file.into(), line });
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Node;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut mapping: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = mapping.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Mapping(members))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
