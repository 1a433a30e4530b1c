//! A tagged value as JSON Schema sees it, under a bound of work: see [`Work`].

use std::borrow::Cow;

use jsonschema::{
    JsonType,
    json::{Array, Json, JsonNumber, Node, NodeIdentity, Object, cmp, unique},
};
use serde_json::{Map, Number, Value};

use super::{read::WIDE_INTEGER, work::Work};

pub(crate) const TAG: &str = "$codemode";

/// The representation, as a type.
pub(super) struct Tagged;

/// A name of a property, as a value.
#[derive(Default)]
pub(super) struct NameBuffer(Value, Option<Work>);

impl Json for Tagged {
    type Node<'a> = View<'a>;
    type PreparedKey = String;
    type StringBuffer = NameBuffer;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut NameBuffer, string: &str, f: impl FnOnce(View<'_>) -> T) -> T {
        buffer.0 = Value::String(string.to_owned());
        let work = buffer.1.insert(Work::for_name());
        f(View::new(&buffer.0, work))
    }
}

#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    value: &'a Value,
    work: &'a Work,
    depth: u16,
    /// Bytes of the names on the way here.
    path: usize,
}

/// What a value is to a schema.
pub(super) enum Shape<'a> {
    Null,
    Bool(bool),
    Number(Numeric<'a>),
    Text(&'a str),
    Items(&'a [Value]),
    Members(Members<'a>),
    /// Of no JSON type; its name in Python.
    Foreign(&'a str),
}

#[derive(Clone, Copy)]
pub(super) enum Members<'a> {
    Plain(&'a Map<String, Value>),
    /// Pairs of key and value, whose keys need not be text.
    Pairs(&'a [Value]),
}

pub(super) enum Numeric<'a> {
    Plain(&'a Number),
    /// The digits of an integer of more than 64 bits.
    Wide(&'a str),
    /// A Decimal, NaN or an infinity, as it was written.
    Tagged(&'a str),
}

/// What the value stands for. A tag that does not hold what it must is of no JSON type.
pub(super) fn shape(value: &Value) -> Shape<'_> {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(value) => Shape::Bool(*value),
        Value::Number(number) => Shape::Number(Numeric::Plain(number)),
        Value::String(text) => Shape::Text(text),
        Value::Array(items) => Shape::Items(items),
        Value::Object(members) => match members.get(TAG) {
            None => Shape::Members(Members::Plain(members)),
            Some(tag) => tagged(tag.as_str().unwrap_or("object"), members),
        },
    }
}

fn tagged<'a>(tag: &'a str, members: &'a Map<String, Value>) -> Shape<'a> {
    match (tag, members.get("v")) {
        ("tuple" | "namedtuple", Some(Value::Array(items))) => Shape::Items(items),
        ("dict", Some(Value::Array(pairs))) => Shape::Members(Members::Pairs(pairs)),
        ("dataclass", Some(Value::Object(fields))) => Shape::Members(Members::Plain(fields)),
        ("float" | "decimal", Some(Value::String(text))) => Shape::Number(Numeric::Tagged(text)),
        (WIDE_INTEGER, Some(Value::String(digits))) if is_integer(digits) => Shape::Number(Numeric::Wide(digits)),
        ("repr", _) => Shape::Foreign(members.get("type").and_then(Value::as_str).unwrap_or("object")),
        ("str", _) => Shape::Foreign("str that is no Unicode text"),
        _ => Shape::Foreign(tag),
    }
}

impl<'a> Members<'a> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Plain(members) => members.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        match self {
            Self::Plain(members) => members.get(name),
            // As in Python, the last of two equal keys is the one that counts.
            Self::Pairs(pairs) => {
                pairs.iter().rev().filter_map(pair).find(|(key, _)| key == name).map(|(_, value)| value)
            }
        }
    }

    pub(super) fn position(self, name: &str) -> Option<(usize, &'a Value)> {
        self.iter().enumerate().filter(|(_, (key, _))| key == name).last().map(|(at, (_, value))| (at, value))
    }

    fn iter(self) -> impl Iterator<Item = (Cow<'a, str>, &'a Value)> {
        let (plain, pairs) = match self {
            Self::Plain(members) => (Some(members), None),
            Self::Pairs(pairs) => (None, Some(pairs)),
        };
        let plain = plain.into_iter().flatten().map(|(name, value)| (Cow::Borrowed(name.as_str()), value));
        plain.chain(pairs.into_iter().flatten().filter_map(pair))
    }
}

/// Before the name of a key that is not text, so that it never is the name of a property: in Python, `1` is not `'1'`.
pub(super) const NO_TEXT: char = '\0';

fn pair(pair: &Value) -> Option<(Cow<'_, str>, &Value)> {
    let name = match pair.get(0)? {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(format!("{NO_TEXT}{other}")),
    };
    Some((name, pair.get(1)?))
}

/// Whoever wrote the value may have written the tag, too.
fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

impl Numeric<'_> {
    fn float(&self) -> f64 {
        match self {
            Self::Plain(number) => number.as_f64().unwrap_or(f64::NAN),
            Self::Wide(text) | Self::Tagged(text) => text.parse().unwrap_or(f64::NAN),
        }
    }
}

impl JsonNumber for Numeric<'_> {
    fn as_u64(&self) -> Option<u64> {
        if let Self::Plain(number) = self { number.as_u64() } else { None }
    }

    fn as_i64(&self) -> Option<i64> {
        if let Self::Plain(number) = self { number.as_i64() } else { None }
    }

    /// Of an infinity, the validator asks for the digits instead, and takes their sign.
    fn as_f64(&self) -> Option<f64> {
        Some(self.float()).filter(|value| !value.is_infinite())
    }

    /// Digits, with a point at most. What has none is a multiple of nothing.
    fn as_str(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(number) => Cow::Owned(number.to_string()),
            Self::Wide(digits) => Cow::Borrowed(digits),
            Self::Tagged(_) => match self.float() {
                value if value.is_finite() => Cow::Owned(value.to_string()),
                value => Cow::Borrowed(if value.is_sign_negative() { "-0.5" } else { "0.5" }),
            },
        }
    }

    fn to_number(&self) -> Cow<'_, Number> {
        match self {
            Self::Plain(number) => Cow::Borrowed(number),
            other => Cow::Owned(Number::from_f64(other.float()).unwrap_or_else(|| 0.into())),
        }
    }

    fn is_integer(&self) -> bool {
        match self {
            Self::Plain(number) if !number.is_f64() => true,
            Self::Wide(_) => true,
            _ => self.float().fract() == 0.0,
        }
    }

    fn is_written_as_integer(&self) -> bool {
        match self {
            Self::Plain(number) => !number.is_f64(),
            Self::Wide(_) => true,
            Self::Tagged(_) => false,
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn new(value: &'a Value, work: &'a Work) -> Self {
        Self { value, work, depth: 0, path: 0 }
    }

    fn member(self, name: &str, value: &'a Value) -> Self {
        Self { value, depth: self.depth + 1, path: self.path.saturating_add(name.len()), ..self }
    }

    /// What it stands for. A long number that came as text is read each time.
    fn shape(self) -> Shape<'a> {
        match self.value.as_object().and_then(|members| members.get("v")) {
            Some(Value::String(text)) if !self.work.take_text(text) => Shape::Null,
            _ => shape(self.value),
        }
    }

    /// A container's content, unless no work is left for it.
    fn opened(self) -> Option<Shape<'a>> {
        self.work.enter(self.depth, self.path).then(|| self.shape())
    }
}

impl<'a> Node<'a, Tagged> for View<'a> {
    type Object = Opened<'a, Members<'a>>;
    type Array = Opened<'a, &'a [Value]>;
    type Number = Numeric<'a>;

    fn as_object(&self) -> Option<Self::Object> {
        match self.opened()? {
            Shape::Members(content) => Some(Opened { content, view: *self }),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Self::Array> {
        match self.opened()? {
            Shape::Items(content) => Some(Opened { content, view: *self }),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.shape() {
            Shape::Text(text) if self.work.take_text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<Numeric<'a>> {
        if let Shape::Number(number) = self.shape() { Some(number) } else { None }
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value.as_bool()
    }

    fn is_null(&self) -> bool {
        self.value.is_null()
    }

    fn json_type(&self) -> JsonType {
        match self.shape() {
            Shape::Null => JsonType::Null,
            Shape::Bool(_) => JsonType::Boolean,
            Shape::Text(_) => JsonType::String,
            Shape::Items(_) => JsonType::Array,
            Shape::Members(_) => JsonType::Object,
            // A number that `as_number` does not give is none of the types to any keyword.
            Shape::Number(_) | Shape::Foreign(_) => JsonType::Number,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.shape(), expected) {
            (Shape::Number(number @ (Numeric::Wide(_) | Numeric::Tagged(_))), Value::Number(expected)) => {
                Some(number.float()) == expected.as_f64()
            }
            _ => cmp::equal(self.value, expected),
        }
    }

    /// Only errors ask for it, once each. They need no copy: `explain` finds the value by its path. What they carry is
    /// whether they were made while there was work left, and a name's own text.
    fn to_value(&self) -> Cow<'a, Value> {
        match self.work.take_error(self.path) {
            true if self.work.is_for_name() => Cow::Borrowed(self.value),
            counts => Cow::Owned(Value::Bool(counts)),
        }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.value) as usize))
    }
}

/// A container that is being looked into.
pub(super) struct Opened<'a, C> {
    content: C,
    view: View<'a>,
}

impl<'a> Object<'a, Tagged> for Opened<'a, Members<'a>> {
    type Node = View<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = Box<dyn Iterator<Item = (Cow<'a, str>, View<'a>)> + 'a>;

    fn len(&self) -> usize {
        self.content.len()
    }

    fn get(&self, key: &String) -> Option<View<'a>> {
        let steps = if let Members::Pairs(pairs) = self.content { pairs.len() } else { 1 };
        if self.view.work.take(steps) { self.content.get(key).map(|value| self.view.member(key, value)) } else { None }
    }

    fn members(&self) -> Self::MembersIter {
        let view = self.view;
        let members = self.content.iter().take_while(move |(name, _)| view.work.take_text(name));
        Box::new(members.map(move |(name, value)| {
            let member = view.member(&name, value);
            (name, member)
        }))
    }
}

impl<'a> Array<'a, Tagged> for Opened<'a, &'a [Value]> {
    type Node = View<'a>;
    type ElementsIter = Box<dyn Iterator<Item = View<'a>> + 'a>;

    fn len(&self) -> usize {
        self.content.len()
    }

    fn elements(&self) -> Self::ElementsIter {
        let view = self.view;
        Box::new(self.content.iter().take_while(move |_| view.work.take(1)).map(move |value| view.member("", value)))
    }

    fn is_unique(&self) -> bool {
        let size = self.content.iter().map(size).sum();
        self.view.work.take(size) && unique::is_unique(self.content)
    }
}

/// All that is in it, itself included; text by its length.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => Work::steps_of(text),
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, value)| Work::steps_of(name) + size(value)).sum::<usize>()
        }
        _ => 1,
    }
}
