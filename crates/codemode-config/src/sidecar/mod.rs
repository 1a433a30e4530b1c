//! The executor's configuration.

mod address;
mod api_keys;
mod audit;
mod callback;
mod document;
pub(crate) mod keys;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use codemode_types::{Policy, Problem};
use serde_json::Value;

pub use address::ListenAddress;
pub use api_keys::{ApiKeyPart, ApiKeyParts, read_api_keys};
pub use audit::AuditTarget;
pub use callback::{CallbackIdentity, CallbackSettings, CallbackTls};
pub use tls::{Authorities, ClientCertificates, NamedFile, TlsSettings};

pub(crate) use audit::{check as check_audit, resolve as resolve_audit};

use crate::{
    ConfigError, LogLevel,
    environment::Environment,
    error::reported,
    key::DescribedKey,
    policy,
    settings::{Given, Layer, RawSettings, Settings, Written},
    sort::{Other, Raw, Reader, Tree},
    yaml,
};

/// Where a setting may come from. The environment is an argument, so that nothing else reads it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// A `.env` file; one that does not exist says nothing.
    pub dotenv: Option<PathBuf>,
    pub arguments: Arguments,
}

/// What the command line may say, or the program that reads the configuration.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// A mapping in the shape of the file.
    pub values: Value,
    /// Where relative paths in `values` begin; nothing: where this process was started.
    pub base_dir: Option<PathBuf>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub listen: Option<ListenAddress>,
    pub log_level: Option<LogLevel>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_client_ca: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct SidecarConfig {
    pub policy: Policy,
    pub listen: ListenAddress,
    pub tls: Option<TlsSettings>,
    /// Whether a port that other machines reach must have it.
    pub tls_required: bool,
    pub api_keys: ApiKeyParts,
    /// Where applications of the published package serve their tools.
    pub callback: Option<CallbackSettings>,
    pub audit: Option<AuditTarget>,
    pub log_level: LogLevel,
    pub drain_timeout: Duration,
    /// The keys that were really given.
    pub given: BTreeSet<String>,
    /// Where their values came from: the line of a file, a variable or an option.
    pub origins: BTreeMap<String, String>,
}

const READER: Reader = Reader {
    own: keys::KEYS,
    others: &[Other { keys: crate::client::keys::KEYS, refusal: NO_CLIENT_KEYS }],
    shared: true,
};

const NO_CLIENT_KEYS: &str = "is a setting of the client, in ClientConfig or its configuration file; leave it out";

impl SidecarConfig {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let environment = Environment::new(&sources.environment, sources.dotenv.as_ref(), &mut problems);
        let file = match &sources.file {
            Some(path) => {
                let (value, places) = yaml::read(path, &mut problems)?;
                Tree::of(value, places, READER, Some(&environment), &mut problems)
            }
            None => Tree::default(),
        };
        let arguments = &sources.arguments;
        let alone = Reader { shared: false, ..READER };
        let mut written = Tree::of(arguments.values.clone(), yaml::Places::default(), alone, None, &mut problems);
        written.settings.extend(arguments.raw());
        let secrets = [environment.secrets(), file.secrets(keys::KEYS), written.secrets(keys::KEYS)].concat();
        let folder = sources.file.as_deref().map(folder);
        let base = arguments.base_dir.as_deref();
        let resolver = Resolver { environment: &environment, file, written, folder, base, problems: &mut problems };
        match resolver.resolve() {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(reported(problems, &secrets)),
        }
    }

    /// Every accepted key, with the policy's.
    pub fn keys() -> Vec<DescribedKey> {
        keys::described()
    }
}

struct Resolver<'a> {
    environment: &'a Environment,
    file: Tree,
    written: Tree,
    folder: Option<PathBuf>,
    base: Option<&'a Path>,
    problems: &'a mut Vec<Problem>,
}

impl Resolver<'_> {
    fn resolve(mut self) -> Option<SidecarConfig> {
        let written = Written { settings: &self.written.settings, base: self.base };
        let file = Written { settings: &self.file.settings, base: self.folder.as_deref() };
        let settings = Settings::read(keys::KEYS, written, self.environment, file, self.problems);
        let listen = listen(&settings, self.problems);
        let (tls, tls_required) = tls::resolve(&settings, &listen, self.problems);
        let api_keys = ApiKeyParts::resolve(&settings, self.environment, self.problems);
        let callback = callback::resolve(&settings, self.problems);
        let audit = audit::resolve(&settings, self.folder.as_deref(), self.base, self.problems);
        let mut origins: BTreeMap<_, _> = settings.origins().collect();
        origins.extend(api_keys.0.first().map(|part| ("api_key".to_owned(), part.origin())));
        let (policy, of_policy) = self.policy()?;
        let mut given: BTreeSet<String> = of_policy.keys().cloned().collect();
        origins.extend(of_policy);
        audit::check(audit.as_ref(), &policy, self.problems);
        given.extend(settings.names().map(str::to_owned));
        given.extend((!api_keys.0.is_empty()).then(|| "api_key".to_owned()));
        Some(SidecarConfig {
            policy,
            listen,
            tls,
            tls_required,
            api_keys,
            callback,
            audit: audit.map(|(_, target)| target),
            log_level: settings.text("log_level").and_then(|level| level.parse().ok()).unwrap_or_default(),
            drain_timeout: settings.value("drain_timeout").and_then(Value::as_f64).map_or(DRAIN, seconds),
            given,
            origins,
        })
    }

    /// And where each part of it that was given came from.
    fn policy(&mut self) -> Option<(Policy, BTreeMap<String, String>)> {
        let none = RawSettings::new();
        let nothing = Written { settings: &none, base: None };
        let variables = Settings::read(keys::POLICY_VARIABLES, nothing, self.environment, nothing, self.problems);
        // What is written in the program itself stands above the variables.
        let written = policy::leaves(&self.written.policy);
        let named: Vec<(&str, Given)> = keys::POLICY_VARIABLES
            .iter()
            .filter(|key| !written.iter().any(|given| given == key.name))
            .filter_map(|key| Some((key.name, variables.get(key.name)?.clone())))
            .collect();
        let folder = self.folder.clone().or_else(|| self.base.map(Path::to_owned)).unwrap_or_else(|| ".".into());
        if let Some(base) = self.base.filter(|base| *base != folder) {
            policy::rebase(&mut self.written.policy, base);
        }
        self.file.overlay(std::mem::take(&mut self.written));
        let policy = policy::read(&self.file, &folder, &named, self.problems)?;
        let named = named.iter().map(|(key, given)| ((*key).to_owned(), given.origin()));
        Some((policy, self.file.origins().chain(named).collect()))
    }
}

const DRAIN: Duration = Duration::from_secs(30);

/// Within the bounds of its rule.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(DRAIN)
}

/// `listen` and `host` with `port` are two forms of one thing: the stronger layer's holds.
fn listen(settings: &Settings, problems: &mut Vec<Problem>) -> ListenAddress {
    let (mut host, mut port, mut address) = (None, None, None);
    for layer in [Layer::File, Layer::DotEnv, Layer::Environment, Layer::Argument] {
        let [listen, own_host, own_port] = ["listen", "host", "port"].map(|key| settings.at(key, layer));
        if let (Some(listen), Some(other)) = (listen, own_host.or(own_port)) {
            problems.push(listen.problem(format!("{} is given as well; keep one form", other.setting)));
        }
        if let Some(listen) = listen.and_then(|given| given.value.as_str()?.parse().ok()) {
            (host, port, address) = (None, None, Some(listen));
        } else if own_host.is_some() || own_port.is_some() {
            host = own_host.and_then(|given| given.value.as_str()).map(str::to_owned).or(host);
            port = own_port.and_then(|given| u16::try_from(given.value.as_u64()?).ok()).or(port);
            address = None;
        }
    }
    address.unwrap_or_else(|| ListenAddress::Tcp {
        host: host.unwrap_or_else(|| keys::DEFAULT_HOST.into()),
        port: port.unwrap_or(keys::DEFAULT_PORT),
    })
}

impl Arguments {
    fn raw(&self) -> RawSettings {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| Value::from(path.display().to_string()));
        let options = [
            ("host", "--host", self.host.clone().map(Value::from)),
            ("port", "--port", self.port.map(Value::from)),
            ("listen", "--listen", self.listen.as_ref().map(|address| address.to_string().into())),
            ("log_level", "--log-level", self.log_level.map(|level| level.as_str().into())),
            ("tls.cert_file", "--tls-cert", path(&self.tls_cert)),
            ("tls.key_file", "--tls-key", path(&self.tls_key)),
            ("tls.ca_file", "--tls-client-ca", path(&self.tls_client_ca)),
        ];
        let given = options.into_iter().filter_map(|(key, option, value)| {
            Some((key, Raw { value: value?, setting: option.to_owned(), place: None }))
        });
        given.collect()
    }
}

/// The folder that a file's relative paths are relative to, absolute where the file can be found.
pub(crate) fn folder(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}
