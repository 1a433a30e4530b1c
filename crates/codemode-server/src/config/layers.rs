//! Argument > environment > YAML > default, setting by setting.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use codemode_types::{ByteSize, Policy, Problem};
use serde_json::{Map, Value, json};

use super::{
    ListenAddress, ServerConfig, Sources, audit,
    environment::{Environment, Found},
    file::Tree,
    key::KeySource,
    problem, tls,
};
use crate::{audit::AuditTarget, auth::ApiKeys};

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8001;
const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// What the command line may say.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub listen: Option<ListenAddress>,
    pub log_level: Option<LogLevel>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_client_ca: Option<PathBuf>,
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

pub(super) fn resolve(tree: Tree, base: &Path, sources: &Sources, problems: &mut Vec<Problem>) -> Option<ServerConfig> {
    let mut resolver =
        Resolver { server: tree.server, environment: Environment { variables: &sources.environment }, problems };
    let listen = resolver.listen(&sources.arguments);
    let tls = resolver.tls(&sources.arguments, base, &listen);
    let key_source = KeySource::resolve(&resolver.environment, resolver.server.get("api_key"), resolver.problems);
    let api_keys = key_source.keys().unwrap_or_else(|problem| {
        resolver.problems.push(problem);
        ApiKeys::default()
    });
    let log_level = resolver.log_level(&sources.arguments);
    let drain_timeout = resolver.drain_timeout();
    let audit = resolver.audit(base);
    let policy = resolver.policy(tree.policy, base)?;
    let (key, audit) = audit.unzip();
    audit::check(key.unwrap_or(audit::KEY), audit.as_ref(), &policy, resolver.problems);
    let (tls, tls_required) = (tls.tls, tls.required);
    Some(ServerConfig { policy, listen, tls, tls_required, api_keys, key_source, audit, log_level, drain_timeout })
}

struct Resolver<'a> {
    server: Map<String, Value>,
    environment: Environment<'a>,
    problems: &'a mut Vec<Problem>,
}

/// What one layer says about the address.
#[derive(Default)]
struct Place {
    host: Option<String>,
    port: Option<u16>,
    listen: Option<ListenAddress>,
}

impl Resolver<'_> {
    fn tls(&mut self, arguments: &Arguments, base: &Path, listen: &ListenAddress) -> tls::Resolved {
        let (environment, block) = (&self.environment, self.server.get(tls::KEY));
        tls::resolve(&tls::Layers { arguments, environment, block, base }, listen, self.problems)
    }

    fn listen(&mut self, arguments: &Arguments) -> ListenAddress {
        let argument = Place { host: arguments.host.clone(), port: arguments.port, listen: arguments.listen.clone() };
        let layers = [("file", self.file_place()), ("environment", self.environment_place()), ("arguments", argument)];
        let mut held = Place::default();
        for (layer, place) in layers {
            if place.listen.is_some() && (place.host.is_some() || place.port.is_some()) {
                self.problems
                    .push(problem("listen", format!("host or port is given as well ({layer}); keep one form")));
            }
            if place.listen.is_some() {
                held = place;
            } else if place.host.is_some() || place.port.is_some() {
                held = Place { host: place.host.or(held.host), port: place.port.or(held.port), listen: None };
            }
        }
        held.listen.unwrap_or_else(|| ListenAddress::Tcp {
            host: held.host.unwrap_or_else(|| DEFAULT_HOST.into()),
            port: held.port.unwrap_or(DEFAULT_PORT),
        })
    }

    fn file_place(&mut self) -> Place {
        let host = self.file_value("host", |value| value.as_str().filter(|host| !host.is_empty()).map(str::to_owned));
        let port = self.file_value("port", |value| value.as_u64().and_then(|port| u16::try_from(port).ok()));
        let listen = self.file_value("listen", |value| value.as_str()?.parse().ok());
        Place { host, port, listen }
    }

    fn environment_place(&mut self) -> Place {
        let host = self.environment.find(&["CODEMODE_HOST"], self.problems).map(|found| found.value);
        let port = self.environment.find(&["CODEMODE_PORT", "CODEMODE_SIDECAR_PORT"], self.problems);
        let port = port.and_then(|found| self.parsed(&found, "must be a port from 0 to 65535", |it| it.parse().ok()));
        Place { host, port, listen: None }
    }

    /// And the name of the setting that says so.
    fn audit(&mut self, base: &Path) -> Option<(&'static str, AuditTarget)> {
        const VARIABLE: &str = "CODEMODE_AUDIT";
        let file = self.server.get(audit::KEY).and_then(|value| audit::from_value(value, base, self.problems));
        match self.environment.find(&[VARIABLE], self.problems) {
            // Relative to where the daemon was started, as in a shell.
            Some(found) => {
                audit::from_text(VARIABLE, &found.value, Path::new("."), self.problems).map(|it| (VARIABLE, it))
            }
            None => file.map(|target| (audit::KEY, target)),
        }
    }

    fn log_level(&mut self, arguments: &Arguments) -> LogLevel {
        let file = self.file_value("log_level", |value| value.as_str()?.parse().ok());
        let found = self.environment.find(&["CODEMODE_LOG_LEVEL"], self.problems);
        let variable = found.and_then(|found| {
            self.parsed(&found, "must be one of error, warn, info, debug, trace", |it| it.parse().ok())
        });
        arguments.log_level.or(variable).or(file).unwrap_or_default()
    }

    fn drain_timeout(&mut self) -> Duration {
        let file = self.file_value("drain_timeout", |value| seconds(value.as_f64()?));
        file.unwrap_or(DEFAULT_DRAIN)
    }

    fn policy(&mut self, mut tree: Map<String, Value>, base: &Path) -> Option<Policy> {
        let code_timeout = self.environment.find(&["CODEMODE_MAX_EXEC_TIME", "CODEMODE_CODE_TIMEOUT"], self.problems);
        let memory = self.environment.find(&["CODEMODE_MEMORY_LIMIT"], self.problems);
        let mut named = Vec::new();
        for (key, found) in [("code_timeout", code_timeout), ("memory_limit", memory)] {
            let Some(found) = found else { continue };
            let value = match key {
                "code_timeout" => self.parsed(&found, "must be a number of seconds above 0", |it| {
                    seconds(it.parse().ok()?).map(|_| json!(it.parse::<f64>().ok()))
                }),
                _ => self.parsed(&found, "must be a size such as 512m", |it| {
                    it.parse::<ByteSize>().ok().map(|size| json!(size.bytes()))
                }),
            };
            if let Some(value) = value {
                set_limit(&mut tree, key, value);
                named.push((format!("limits.{key}"), found.name));
            }
        }
        match Policy::from_value(&Value::Object(tree), base) {
            Ok(policy) => Some(policy),
            Err(error) => {
                self.problems.extend(error.problems.into_iter().map(|it| attributed(it, &named)));
                None
            }
        }
    }

    fn file_value<T>(&mut self, key: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.server.get(key).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            let rule = match key {
                "host" => "must be an address or a name, as text",
                "port" => "must be a port from 0 to 65535",
                "listen" => "must be HOST:PORT or unix:PATH",
                "log_level" => "must be one of error, warn, info, debug, trace",
                _ => "must be a number of seconds above 0",
            };
            self.problems.push(problem(key, rule));
        }
        read
    }

    fn parsed<T>(&mut self, found: &Found, rule: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = parse(found.value.trim());
        if value.is_none() {
            self.problems.push(problem(&found.name, rule));
        }
        value
    }
}

fn set_limit(tree: &mut Map<String, Value>, key: &str, value: Value) {
    let limits = tree.entry("limits").or_insert(Value::Null);
    if limits.is_null() {
        *limits = json!({});
    }
    // Anything but a mapping is a problem that `Policy::from_value` reports.
    if let Value::Object(limits) = limits {
        limits.insert(key.to_owned(), value);
    }
}

/// A limit that came from a variable is reported under the variable's name.
fn attributed(found: Problem, named: &[(String, String)]) -> Problem {
    match named.iter().find(|(key, _)| *key == found.key) {
        Some((key, variable)) => problem(variable, format!("{key} {}", found.message)),
        None => found,
    }
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok().filter(|duration| !duration.is_zero())
}
