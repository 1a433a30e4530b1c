//! What the values of one key may be.

use codemode_types::{ByteSize, PolicyKey, PolicyKind};
use serde_json::{Map, Value, json};

use crate::{
    key::{Key, Kind, LogLevel, PYTHON_LEVELS, SCHEMES},
    side::Side,
    sidecar::keys::variables_of,
};

/// One key, for one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    about: String,
    /// Whose; nothing for the policy, which is both sides'.
    side: Option<Side>,
    default: Value,
    /// A value follows one of them; without any, it is anything.
    allowed: Vec<Value>,
}

impl Rule {
    pub(super) fn anything(about: &str) -> Self {
        Self { about: about.to_owned(), ..Self::default() }
    }

    /// The same key under another name.
    pub(super) fn also(&self, name: &str) -> Self {
        Self { about: format!("The same as `{name}`. {}", self.about), ..self.clone() }
    }

    /// One property of all of them.
    pub(super) fn joined(rules: Vec<Self>) -> Value {
        let about = about(&rules);
        let (mut allowed, mut defaults) = (Vec::new(), Vec::new());
        let unique = |list: &mut Vec<Value>, value: Value| {
            if !list.contains(&value) {
                list.push(value);
            }
        };
        for rule in rules {
            unique(&mut defaults, rule.default);
            rule.allowed.into_iter().for_each(|value| unique(&mut allowed, value));
        }
        let mut property = Map::from_iter([("description".to_owned(), about.into())]);
        // Where the sides differ there is none.
        if let ([default], false) = (defaults.as_slice(), defaults.contains(&Value::Null)) {
            property.insert("default".into(), default.clone());
        }
        match allowed.as_slice() {
            [] => {}
            [Value::Object(only)] => property.extend(only.clone()),
            _ => drop(property.insert("anyOf".into(), allowed.into())),
        }
        property.into()
    }
}

/// With the side, where the two say different things.
fn about(rules: &[Rule]) -> String {
    let side = |rule: &Rule| match rule.side {
        Some(Side::Client) => "Client: ",
        Some(Side::Sidecar) => "Executor: ",
        None => "",
    };
    match rules {
        [first, rest @ ..] if rest.iter().all(|rule| rule.about == first.about) => first.about.clone(),
        rules => rules.iter().map(|rule| format!("{}{}", side(rule), rule.about)).collect::<Vec<_>>().join(". "),
    }
}

/// A value that a variable gives as a whole, and a text that holds one. `$defs/NAME`.
pub(super) fn definitions() -> [(String, Value); 3] {
    let text = |about: &str, pattern: &str| json!({"description": about, "type": "string", "pattern": pattern});
    [
        ("variable".into(), text("A variable", r"^\$\{[A-Za-z0-9_]+(:-[^}]*)?\}$")),
        ("text".into(), text("A text with a variable in it", r"\$\{")),
        ("size".into(), text("Bytes, with a unit", r"^\s*[0-9]+\s*([bB]|[kKmMgGtT][iI]?[bB]?)?\s*$")),
    ]
}

pub(super) fn of_kind(key: &Key, side: Side) -> Rule {
    let allowed = match key.kind {
        Kind::Host | Kind::Path => vec![json!({"type": "string", "minLength": 1})],
        Kind::Port => vec![json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}), variable()],
        Kind::Listen => vec![pattern(r"^(unix:([^/].*|/([^/].*)?|//.+)|(\[.+\]|[^:]+):\+?[0-9]+)$"), text()],
        Kind::Url => vec![pattern(&format!("^(({})://|unix:)/*[^/]", SCHEMES.join("|"))), text()],
        Kind::LogLevel => words(&LogLevel::ALL.map(LogLevel::as_str), &["warning", "critical"]),
        Kind::PythonLevel => words(&PYTHON_LEVELS, &["warn", "trace"]),
        Kind::Seconds(range) => vec![seconds(range), variable()],
        Kind::Whole(least, most) => vec![whole(least, most), variable()],
        Kind::Size => size(0, u64::MAX),
        Kind::Switch => switch(),
        Kind::Word(words) => vec![json!({"enum": words}), text()],
        Kind::Prefix => vec![pattern("^[!-~]{1,8}$"), text()],
        Kind::Secret => vec![pattern("^[!-~]+$"), text()],
        Kind::Secrets => secrets(),
        Kind::Audit => {
            let target = json!({"type": "string", "minLength": 1, "not": {"enum": ["-", "stderr"]}});
            vec![json!({"const": false}), target, variable()]
        }
    };
    // A key that was meant and is missing must not turn into no key.
    let allowed = if key.kind == Kind::Secrets { allowed } else { or_nothing(allowed) };
    let default = serde_json::from_str(key.default).unwrap_or_default();
    Rule { about: with_variables(key.about, key.variables), side: Some(side), default, allowed }
}

pub(super) fn of_policy(key: &PolicyKey) -> Rule {
    let allowed = match key.kind {
        PolicyKind::Switch => switch(),
        PolicyKind::Seconds => vec![seconds(None), variable()],
        PolicyKind::Whole(least, most) => vec![whole(least, most), variable()],
        PolicyKind::Number(most) => {
            vec![json!({"type": "number", "exclusiveMinimum": 0, "maximum": most}), variable()]
        }
        PolicyKind::Size(least, most) => size(least, most),
        PolicyKind::Path => vec![json!({"type": "string"})],
        PolicyKind::Word(words) => vec![json!({"enum": words}), text()],
        PolicyKind::Commands => list(vec![pattern("^[^/-][^/]*$"), text()]),
        PolicyKind::Ports => list(vec![whole(1, u16::MAX.into()), variable()]),
        PolicyKind::Domains | PolicyKind::Networks | PolicyKind::Layers | PolicyKind::Modules => {
            list(vec![json!({"type": "string"})])
        }
        PolicyKind::Environments => list(vec![environment()]),
    };
    let default = default_of(key);
    Rule { about: with_variables(key.about, variables_of(key.name)), side: None, default, allowed: or_nothing(allowed) }
}

fn environment() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"anyOf": [pattern("^[A-Za-z0-9_-]{1,64}$"), text()]},
            "interpreter": {"type": ["string", "null"]},
            "preload": {"type": "array", "items": {"type": "string"}},
        },
    })
}

/// As people write it.
pub(crate) fn default_of(key: &PolicyKey) -> Value {
    let default = crate::sidecar::keys::default_of(key.name);
    match (key.kind, default.as_u64()) {
        (PolicyKind::Size(..), Some(bytes)) => spelt_size(bytes).into(),
        _ => default,
    }
}

/// `512Mi` for 512 MiB.
pub(crate) fn spelt_size(bytes: u64) -> String {
    let written = ByteSize(bytes).to_string();
    match written.split_once(' ') {
        Some((count, unit)) if unit != "bytes" => format!("{count}{}", unit.trim_end_matches('B')),
        _ => bytes.to_string(),
    }
}

fn with_variables(about: &str, variables: &[&str]) -> String {
    match variables {
        [] => about.to_owned(),
        names => format!("{about}. Environment: {}", names.join(", ")),
    }
}

fn variable() -> Value {
    json!({"$ref": "#/$defs/variable"})
}

fn text() -> Value {
    json!({"$ref": "#/$defs/text"})
}

fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn switch() -> Vec<Value> {
    vec![json!({"type": "boolean"}), variable()]
}

/// What 64 bits hold at most is not worth saying.
fn whole(least: u64, most: u64) -> Value {
    let mut whole = json!({"type": "integer", "minimum": least});
    if most < u64::MAX {
        whole["maximum"] = most.into();
    }
    whole
}

fn seconds(range: Option<(f64, f64)>) -> Value {
    match range {
        Some((least, most)) => json!({"type": "number", "minimum": least, "maximum": most}),
        None => json!({"type": "number", "exclusiveMinimum": 0, "maximum": PolicyKind::LONGEST}),
    }
}

fn size(least: u64, most: u64) -> Vec<Value> {
    vec![whole(least, most), json!({"$ref": "#/$defs/size"}), text()]
}

fn secrets() -> Vec<Value> {
    let one = vec![pattern("^[!-~]+$"), text()];
    let some = json!({"type": "array", "items": {"anyOf": one}, "minItems": 1, "maxItems": 2});
    [one, vec![some]].concat()
}

fn list(items: Vec<Value>) -> Vec<Value> {
    let items = match items.as_slice() {
        [only] => only.clone(),
        _ => json!({"anyOf": items}),
    };
    vec![json!({"type": "array", "items": items})]
}

/// Words that editors offer, and what else is understood, in any case.
fn words(offered: &[&str], others: &[&str]) -> Vec<Value> {
    let letter = |letter: char| format!("[{}{}]", letter.to_ascii_uppercase(), letter.to_ascii_lowercase());
    let word = |word: &&str| word.chars().map(letter).collect::<String>();
    let all = offered.iter().chain(others).map(word).collect::<Vec<_>>().join("|");
    vec![json!({"enum": offered}), pattern(&format!("^({all})$")), text()]
}

/// A key with nothing behind it says nothing.
fn or_nothing(mut allowed: Vec<Value>) -> Vec<Value> {
    match allowed.as_mut_slice() {
        [only] if only["type"].is_string() => only["type"] = json!([only["type"], "null"]),
        _ => allowed.push(json!({"type": "null"})),
    }
    allowed
}
