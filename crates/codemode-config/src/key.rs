//! What a setting is: its names, its rule, its default. The reader and the reference read the same table.

use std::{fmt, str::FromStr};

use codemode_types::ByteSize;
use serde_json::{Value, json};

use crate::sidecar::ListenAddress;

/// One setting of a component.
#[derive(Debug)]
pub(crate) struct Key {
    /// Dotted: the name in its own section.
    pub(crate) name: &'static str,
    /// Other spellings in a file or a mapping.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) variables: &'static [&'static str],
    pub(crate) kind: Kind,
    /// As JSON; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

/// The rule that values of a setting follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Host,
    Port,
    Listen,
    Url,
    LogLevel,
    /// As Python's logging names them; the executor's words are understood.
    PythonLevel,
    /// Above 0, or in this range.
    Seconds(Option<(f64, f64)>),
    /// From the first to the second.
    Whole(u64, u64),
    Size,
    Switch,
    Word(&'static [&'static str]),
    Path,
    Prefix,
    /// One text that nothing shows.
    Secret,
    /// One or two of them.
    Secrets,
    Audit,
}

pub(crate) const PYTHON_LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

pub(crate) const SCHEMES: [&str; 5] = ["http", "https", "grpc", "grpcs", "unix"];

impl Kind {
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets)
    }

    /// What a value must be, after "must".
    pub(crate) fn rule(self) -> String {
        match self {
            Self::Host => "be an address or a name, as text".into(),
            Self::Port => "be a port from 0 to 65535".into(),
            Self::Listen => "be HOST:PORT or unix:PATH".into(),
            Self::Url => {
                format!("begin with one of {}", SCHEMES.map(|scheme| format!("{scheme}://")).join(", "))
            }
            Self::LogLevel => "be one of error, warn, info, debug, trace".into(),
            Self::PythonLevel => "be one of debug, info, warning, error, critical".into(),
            Self::Seconds(None) => "be a number of seconds above 0".into(),
            Self::Seconds(Some((least, most))) => format!("be a number of seconds from {least} to {most}"),
            Self::Whole(least, u64::MAX) => format!("be a whole number, {least} or more"),
            Self::Whole(least, most) => format!("be a whole number from {least} to {most}"),
            Self::Size => "be a size such as 512m".into(),
            Self::Switch => "be true or false".into(),
            Self::Word(words) => format!("be {}", words.join(" or ")),
            Self::Path => "be the path of a file, as text".into(),
            Self::Prefix => "be 1 to 8 printable ASCII characters without spaces, as text".into(),
            Self::Secret => "be printable ASCII without spaces, as text: put it in quotes".into(),
            Self::Secrets => "be text, or a list of two texts".into(),
            Self::Audit => "be the path of a file, stdout, or off, as text".into(),
        }
    }

    /// The value in its one form, if it follows the rule.
    pub(crate) fn read(self, value: &Value) -> Option<Value> {
        let text = value.as_str();
        match self {
            Self::Host => text.filter(|host| !host.is_empty()).map(Value::from),
            Self::Port => value.as_u64().and_then(|port| u16::try_from(port).ok()).map(Value::from),
            Self::Listen => text?.parse::<ListenAddress>().ok().map(|address| address.to_string().into()),
            Self::Url => text.and_then(url).map(Value::from),
            Self::LogLevel => text?.parse::<LogLevel>().ok().map(|level| level.as_str().into()),
            Self::PythonLevel => python_level(text?).map(Value::from),
            Self::Seconds(range) => {
                let (least, most) = range.unwrap_or((f64::MIN_POSITIVE, 31_536_000.0));
                value.as_f64().filter(|seconds| (least..=most).contains(seconds)).map(|_| value.clone())
            }
            Self::Whole(least, most) => whole(value).filter(|it| (least..=most).contains(it)).map(Value::from),
            Self::Size => text?.parse::<ByteSize>().ok().map(|size| size.bytes().into()),
            Self::Switch => value.as_bool().map(Value::from),
            Self::Word(words) => text.filter(|word| words.contains(word)).map(Value::from),
            Self::Path => text.filter(|path| !path.is_empty()).map(Value::from),
            Self::Prefix => text.filter(|it| (1..=8).contains(&it.len()) && printable(it)).map(Value::from),
            Self::Secret => text.filter(|it| !it.is_empty() && printable(it)).map(Value::from),
            Self::Secrets | Self::Audit => Some(value.clone()),
        }
    }

    /// A text of the environment or the command line as the value that it means.
    pub(crate) fn of_text(self, text: &str) -> Value {
        let text = if self.is_secret() { text } else { text.trim() };
        match self {
            Self::Port | Self::Seconds(_) | Self::Whole(..) => number(text).unwrap_or_else(|| text.into()),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => true.into(),
                "false" | "0" | "no" | "off" => false.into(),
                _ => text.into(),
            },
            _ => text.into(),
        }
    }

    /// For the reference.
    fn describe(self) -> (&'static str, Value) {
        match self {
            Self::Host => ("host", Value::Null),
            Self::Port => ("port", Value::Null),
            Self::Listen => ("address", Value::Null),
            Self::Url => ("url", SCHEMES.to_vec().into()),
            Self::LogLevel => ("word", LogLevel::ALL.map(LogLevel::as_str).to_vec().into()),
            Self::PythonLevel => ("word", PYTHON_LEVELS.to_vec().into()),
            Self::Seconds(range) => ("seconds", range.map_or(Value::Null, |(least, most)| json!([least, most]))),
            Self::Whole(least, u64::MAX) => ("whole number", json!([least, null])),
            Self::Whole(least, most) => ("whole number", json!([least, most])),
            Self::Size => ("size", Value::Null),
            Self::Switch => ("true or false", Value::Null),
            Self::Word(words) => ("word", words.to_vec().into()),
            Self::Path => ("path", Value::Null),
            Self::Prefix => ("text", Value::Null),
            Self::Secret => ("secret", Value::Null),
            Self::Secrets => ("secret, or a list of two", Value::Null),
            Self::Audit => ("path, stdout or off", Value::Null),
        }
    }
}

/// As people write them: `08001` and `.5` are numbers as well.
fn number(text: &str) -> Option<Value> {
    let whole = || text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from)).ok();
    whole().or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from))
}

/// `30.0` is a whole number, too.
fn whole(value: &Value) -> Option<u64> {
    let of_float = |number: f64| (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// What a header can carry.
fn printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let known = SCHEMES.contains(&scheme) && (rest.starts_with("//") || scheme == "unix");
    (known && !rest.trim_matches('/').is_empty()).then(|| text.trim_end_matches('/').to_owned())
}

fn python_level(text: &str) -> Option<&'static str> {
    let level = match text.to_ascii_uppercase().as_str() {
        "WARN" => "WARNING".to_owned(),
        "TRACE" => "DEBUG".to_owned(),
        level => level.to_owned(),
    };
    PYTHON_LEVELS.into_iter().find(|known| *known == level)
}

/// How a wrong value is shown: short enough for a line.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > LONGEST => {
            format!("the text {:?}", text.chars().take(LONGEST - 1).chain(['…']).collect::<String>())
        }
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub(crate) const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    /// Also Python's names, which the published package's files use.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "error" | "critical" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return Err("must be one of error, warn, info, debug, trace".into()),
        })
    }
}

/// One accepted key, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedKey {
    pub key: String,
    pub aliases: Vec<String>,
    pub variables: Vec<String>,
    /// What a value is, in a word.
    pub kind: String,
    /// The words that are allowed, or the least and the greatest number; nothing where the kind says it all.
    pub allowed: Value,
    pub default: Value,
    pub about: String,
}

impl Key {
    pub(crate) fn described(&self) -> DescribedKey {
        let (kind, allowed) = self.kind.describe();
        let with_files = self.variables.iter().flat_map(|name| {
            let file = self.kind.is_secret().then(|| format!("{name}_FILE"));
            [(*name).to_owned()].into_iter().chain(file)
        });
        DescribedKey {
            key: self.name.to_owned(),
            aliases: self.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            variables: with_files.collect(),
            kind: kind.to_owned(),
            allowed,
            default: serde_json::from_str(self.default).unwrap_or_default(),
            about: self.about.to_owned(),
        }
    }
}
