//! `tls`: from the command line, the environment and the file to what a listener needs. Settings that contradict each
//! other are refused: a daemon that was told to use TLS must not serve without it.

use std::path::{Path, PathBuf};

use codemode_types::{Problem, nearest};
use serde_json::{Map, Value};

use super::{Arguments, ListenAddress, environment::Environment, problem};
use crate::tls::{Authorities, ClientCertificates, NamedFile, TlsSettings};

pub(super) const KEY: &str = "tls";

const KEYS: [&str; 7] = ["enabled", "mode", "cert_file", "key_file", "ca_file", "require_client_auth", "required"];

/// Of the client, which may read the same file.
const CLIENT_KEYS: [&str; 2] = ["client_cert_file", "client_key_file"];

/// What is served, and whether a port that others reach may do without.
pub(super) struct Resolved {
    pub(super) tls: Option<TlsSettings>,
    pub(super) required: bool,
}

/// A value, and the setting that says it in the user's own spelling.
#[derive(Clone)]
struct Given<T> {
    setting: String,
    value: T,
}

/// Who vouches for clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Custom,
    System,
}

struct Settings {
    enabled: Option<Given<bool>>,
    mode: Option<Given<Mode>>,
    certificate: Option<Given<PathBuf>>,
    key: Option<Given<PathBuf>>,
    authorities: Option<Given<PathBuf>>,
    require_client_auth: Option<Given<bool>>,
    required: Option<Given<bool>>,
}

pub(super) struct Layers<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) environment: &'a Environment<'a>,
    /// The block of the file, and the folder that its relative paths begin at.
    pub(super) block: Option<&'a Value>,
    pub(super) base: &'a Path,
}

pub(super) fn resolve(layers: &Layers<'_>, listen: &ListenAddress, problems: &mut Vec<Problem>) -> Resolved {
    let mut reader = Reader { layers, block: &Map::new(), problems };
    match layers.block {
        None | Some(Value::Null) => {}
        Some(Value::Object(block)) => reader.block = block,
        Some(_) => reader.say(KEY, "must be a mapping of keys to values"),
    }
    reader.check_keys();
    let settings = reader.settings();
    let required = settings.required.as_ref().is_some_and(|it| it.value);
    let before = problems.len();
    let tls = settings.judged(listen, problems);
    Resolved { tls: tls.filter(|_| problems.len() == before), required }
}

impl Settings {
    fn judged(self, listen: &ListenAddress, problems: &mut Vec<Problem>) -> Option<TlsSettings> {
        if let Some(Given { setting, value: false }) = &self.enabled {
            let idle = self.asking().into_iter();
            let message =
                |asked: &str| problem(asked, format!("has no effect while {setting} is false; drop one of them"));
            problems.extend(idle.map(message));
            return None;
        }
        let asking = self.enabled.as_ref().map(|it| it.setting.as_str()).or_else(|| self.asking().first().copied())?;
        if matches!(listen, ListenAddress::Unix(_)) {
            let message =
                format!("is for TCP, and the executor listens on {listen}, which needs no TLS; drop one of them");
            problems.push(problem(asking, message));
            return None;
        }
        for (file, name, what) in [
            (&self.certificate, "cert_file", "the executor's certificate"),
            (&self.key, "key_file", "the certificate's private key"),
        ] {
            if file.is_none() {
                let variable = format!("CODEMODE_TLS_{}", name.to_uppercase());
                let message = format!("is missing: {asking} asks for TLS, which needs {what}; set it, or {variable}");
                problems.push(problem(format!("{KEY}.{name}"), message));
            }
        }
        let clients = self.clients(problems);
        Some(TlsSettings { certificate: self.certificate?.named(), key: self.key?.named(), clients })
    }

    /// The settings that make sense only where TLS is spoken.
    fn asking(&self) -> Vec<&str> {
        let files = [&self.certificate, &self.key, &self.authorities].into_iter().flatten().map(|it| &it.setting);
        let demand = self.require_client_auth.as_ref().filter(|it| it.value).map(|it| &it.setting);
        files.chain(demand).map(String::as_str).collect()
    }

    /// Whoever names an authority for clients wants their certificates, unless it is said otherwise.
    fn clients(&self, problems: &mut Vec<Problem>) -> ClientCertificates {
        let system = self.mode.as_ref().filter(|mode| mode.value == Mode::System);
        let required = self.require_client_auth.as_ref().map(|it| it.value);
        match (&self.authorities, system) {
            (Some(file), Some(mode)) => {
                let message = format!("has no effect while {} is system; drop one of them", mode.setting);
                problems.push(problem(&file.setting, message));
            }
            (Some(file), None) => {
                let authorities = Authorities::File(file.clone().named());
                return ClientCertificates::Verified { authorities, required: required.unwrap_or(true) };
            }
            (None, Some(mode)) if required == Some(true) => {
                let authorities = Authorities::System(mode.setting.clone());
                return ClientCertificates::Verified { authorities, required: true };
            }
            (None, Some(mode)) => {
                let message = "system says who vouches for clients, and has no effect without tls.require_client_auth: true; leave it out";
                problems.push(problem(&mode.setting, message));
            }
            (None, None) => {
                if let Some(Given { setting, value: true }) = &self.require_client_auth {
                    let message = "needs to know who vouches for clients: set tls.ca_file, or tls.mode: system";
                    problems.push(problem(setting, message));
                }
            }
        }
        ClientCertificates::NotAsked
    }
}

impl Given<PathBuf> {
    fn named(self) -> NamedFile {
        NamedFile { setting: self.setting, path: self.value }
    }
}

struct Reader<'a> {
    layers: &'a Layers<'a>,
    block: &'a Map<String, Value>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn check_keys(&mut self) {
        for key in self.block.keys().filter(|key| !KEYS.contains(&key.as_str()) && !CLIENT_KEYS.contains(&key.as_str()))
        {
            let near = nearest(key, KEYS);
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.problems.push(problem(format!("{KEY}.{key}"), format!("unknown key{hint}")));
        }
    }

    fn settings(&mut self) -> Settings {
        let arguments = self.layers.arguments;
        Settings {
            enabled: self.switch("enabled"),
            mode: self.mode(),
            certificate: self.path("cert_file", "--tls-cert", arguments.tls_cert.as_deref()),
            key: self.path("key_file", "--tls-key", arguments.tls_key.as_deref()),
            authorities: self.path("ca_file", "--tls-client-ca", arguments.tls_client_ca.as_deref()),
            require_client_auth: self.switch("require_client_auth"),
            required: self.switch("required"),
        }
    }

    fn switch(&mut self, key: &str) -> Option<Given<bool>> {
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.given(key, "must be true or false", Value::as_bool, read)
    }

    fn mode(&mut self) -> Option<Given<Mode>> {
        let read = |text: &str| match text {
            "custom" => Some(Mode::Custom),
            "system" => Some(Mode::System),
            _ => None,
        };
        self.given("mode", "must be custom or system", |value| read(value.as_str()?), read)
    }

    /// Relative paths begin at the file's folder, elsewhere where the daemon was started.
    fn path(&mut self, key: &str, option: &str, argument: Option<&Path>) -> Option<Given<PathBuf>> {
        let base = self.layers.base;
        let named = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let in_file = |value: &Value| named(value.as_str()?).map(|path| base.join(path));
        // Read in any case, so that what is wrong with it is said.
        let given = self.given(key, "must be the path of a file, as text", in_file, named);
        match argument {
            Some(path) => Some(Given { setting: option.to_owned(), value: path.to_owned() }),
            None => given,
        }
    }

    fn given<T>(
        &mut self,
        key: &str,
        rule: &str,
        in_file: impl FnOnce(&Value) -> Option<T>,
        in_variable: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Given<T>> {
        let block = self.block;
        let file = block.get(key).filter(|value| !value.is_null()).map(in_file);
        let file = self.accepted(format!("{KEY}.{key}"), rule, file);
        let variable = format!("CODEMODE_TLS_{}", key.to_uppercase());
        let found = self.layers.environment.find(&[&variable], self.problems);
        let found = found.map(|found| in_variable(found.value.trim()));
        self.accepted(variable, rule, found).or(file)
    }

    /// Of a setting that is there, and that is `None` where it does not follow the rule.
    fn accepted<T>(&mut self, setting: String, rule: &str, read: Option<Option<T>>) -> Option<Given<T>> {
        let read = read?;
        if read.is_none() {
            self.say(&setting, rule);
        }
        read.map(|value| Given { setting, value })
    }

    fn say(&mut self, key: &str, message: &str) {
        self.problems.push(problem(key, message));
    }
}
