//! JSON Schema, enforced: the arguments and results of tools whose schemas somebody wrote by hand.

mod compile;
mod explain;
mod read;
mod view;
mod words;
mod work;

use std::{fmt, thread};

use jsonschema::Validator;
use serde_json::Value;
use thiserror::Error;

pub(crate) use read::WIDE_INTEGER;
pub use read::{UnreadableValue, read_value};
pub(crate) use view::TAG;
pub(crate) use words::{at_reference, details, items, kinds, members, names, parameters, resolve};

use view::{Tagged, View};
use work::Work;

/// Levels that any thread's stack has room for.
const SHALLOW: usize = 16;
/// Only what is used of it takes memory.
const DEEP_STACK: usize = 256 << 20;

/// One step from a value to a member of it.
///
/// ```
/// use codemode_client::schema::{Step, ToolSchema};
/// use codemode_client::json;
///
/// let schema = ToolSchema::new(&json!({"properties": {"tags": {"items": {"type": "string"}}}}))?;
/// let problems = schema.check(&json!({"tags": ["a", 2]}));
/// assert_eq!(problems[0].path, [Step::Name("tags".into()), Step::Index(1)]);
/// # Ok::<(), codemode_client::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Of an object.
    Name(String),
    /// Of a list, from 0.
    Index(usize),
}

/// One thing that is wrong with a value. It prints as `path: message`.
///
/// ```
/// use codemode_client::{json, schema::ToolSchema};
///
/// let schema = ToolSchema::new(&json!({"properties": {"city": {}}, "additionalProperties": false}))?;
/// let problem = &schema.check(&json!({"cty": "Oslo"}))[0];
/// assert_eq!(problem.to_string(), "cty: no such parameter, did you mean 'city'?");
/// assert_eq!(problem.near, ["city"]);
/// # Ok::<(), codemode_client::schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaProblem {
    /// From the whole value to what is wrong; empty where that is the value itself.
    pub path: Vec<Step>,
    /// What was expected and what came, in Python's words.
    pub message: String,
    /// Names that may have been meant.
    pub near: Vec<String>,
}

impl fmt::Display for SchemaProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.path.iter().enumerate() {
            match step {
                Step::Name(name) if at == 0 => write!(formatter, "{name}")?,
                Step::Name(name) => write!(formatter, ".{name}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        write!(formatter, "{}{}", if self.path.is_empty() { "" } else { ": " }, self.message)
    }
}

/// Why a schema cannot be enforced.
///
/// ```
/// use codemode_client::{json, schema::ToolSchema};
///
/// let error = ToolSchema::new(&json!({"properties": {"days": {"minimum": "one"}}})).unwrap_err();
/// assert_eq!(error.to_string(), "`minimum` at #/properties/days must be a number, not str 'one'");
/// ```
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", problems.join("; "))]
pub struct SchemaError {
    /// One sentence for each, with keyword and place.
    pub problems: Vec<String>,
}

/// A JSON Schema that is enforced. Draft 2020-12, unless `$schema` names another.
///
/// Nothing is fetched: a `$ref` leads to a place in the same schema. `format` describes and does not refuse. Patterns
/// run on an engine whose time is linear in the value, so they have neither look-around nor backreferences.
///
/// ```
/// use codemode_client::{json, schema::ToolSchema};
///
/// let schema = ToolSchema::new(&json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
///     "required": ["city"],
///     "additionalProperties": false,
/// }))?;
/// assert!(schema.check(&json!({"city": "Oslo", "days": 2})).is_empty());
///
/// let problems: Vec<_> = schema.check(&json!({"days": 12})).iter().map(ToString::to_string).collect();
/// assert_eq!(problems, ["city: required, but missing (str)", "days: expected int from 1 to 9, got int 12"]);
/// # Ok::<(), codemode_client::schema::SchemaError>(())
/// ```
pub struct ToolSchema {
    root: Value,
    validator: Validator<Tagged>,
}

impl ToolSchema {
    /// Checks the schema itself: every wrong keyword, with its place.
    ///
    /// ```
    /// use codemode_client::{json, schema::ToolSchema};
    ///
    /// let error = ToolSchema::new(&json!({"$ref": "https://example.com/city.json"})).unwrap_err();
    /// assert!(error.to_string().starts_with("`$ref` at # leads to 'https://example.com/city.json'"), "{error}");
    /// ```
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        Ok(Self { root: schema.clone(), validator: compile::compile(schema)? })
    }

    /// Everything that is wrong with the value, a hundred problems at most; empty where it fits.
    ///
    /// What the value takes is bounded: one so large or so deep that its check would not end soon does not fit.
    ///
    /// # Tagged values
    ///
    /// A value that came from code, or goes to it, may hold what JSON cannot say, as an object with the key
    /// `$codemode`. Such a member counts as what it stands for: a tuple is an array; a dataclass, a model and a dict
    /// with keys that are not text are objects; Decimal, NaN and the infinities are numbers. Anything else (bytes, dates
    /// and times, UUID, sets, arrays and tables, what crossed as its repr) is of no JSON type, and fits only where the
    /// schema asks for none. An integer of more than 64 bits is compared as the nearest float.
    ///
    /// ```
    /// use codemode_client::{json, schema::ToolSchema};
    ///
    /// let schema = ToolSchema::new(&json!({"properties": {"when": {"type": "string"}, "pair": {"type": "array"}}}))?;
    /// let value = json!({
    ///     "when": {"$codemode": "date", "v": "2024-02-29"},
    ///     "pair": {"$codemode": "tuple", "v": [1, 2]},
    /// });
    /// let problems = schema.check(&value);
    /// assert_eq!(problems.len(), 1);
    /// assert_eq!(problems[0].to_string(), "when: expected str, got date");
    /// # Ok::<(), codemode_client::schema::SchemaError>(())
    /// ```
    pub fn check(&self, value: &Value) -> Vec<SchemaProblem> {
        // A validator's frames are large, a schema may take several for each level of the value, and this thread's stack
        // is whatever it is: running out of it would end the whole process.
        if !is_deep(value, SHALLOW) {
            return self.checked(value);
        }
        let on_its_own = thread::Builder::new().name("codemode-schema".into()).stack_size(DEEP_STACK);
        let checked = thread::scope(|scope| {
            let check = on_its_own.spawn_scoped(scope, || self.checked(value));
            check.ok().and_then(|check| check.join().ok())
        });
        checked.unwrap_or_else(|| explain::problems(&self.validator, &self.root, value, true))
    }

    fn checked(&self, value: &Value) -> Vec<SchemaProblem> {
        let work = Work::for_verdict();
        let fits = self.validator.is_valid(View::new(value, &work));
        match (fits, work.is_spent()) {
            (true, false) => Vec::new(),
            (_, spent) => explain::problems(&self.validator, &self.root, value, spent),
        }
    }

    /// The parameters that it describes: `city*: str`, `days: int from 1 to 9`, …; `*` marks a required one.
    ///
    /// ```
    /// use codemode_client::{json, schema::ToolSchema};
    ///
    /// let schema = ToolSchema::new(&json!({"properties": {"city": {"type": "string"}}, "required": ["city"]}))?;
    /// assert_eq!(schema.valid_parameters(), ["city*: str", "**any other"]);
    /// # Ok::<(), codemode_client::schema::SchemaError>(())
    /// ```
    pub fn valid_parameters(&self) -> Vec<String> {
        parameters(&self.root)
    }
}

impl fmt::Debug for ToolSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ToolSchema").field(&self.root).finish()
    }
}

fn is_deep(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deep(item, levels - 1)),
        Value::Object(members) => levels == 0 || members.values().any(|member| is_deep(member, levels - 1)),
        _ => false,
    }
}
