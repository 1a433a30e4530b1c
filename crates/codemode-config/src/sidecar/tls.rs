//! `tls`: what a listener needs. Settings that contradict each other are refused: a daemon that was told to use TLS must
//! not serve without it.

use std::path::PathBuf;

use codemode_types::{Place, Problem};

use super::ListenAddress;
use crate::settings::{Given, Settings};

/// What a listener needs to speak TLS, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    pub certificate: NamedFile,
    pub key: NamedFile,
    pub clients: ClientCertificates,
}

/// A file and the setting that names it, in the user's own spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub setting: String,
    pub place: Option<Place>,
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    NotAsked,
    /// A certificate that is presented must be good. Whether one must be presented is `required`.
    Verified {
        authorities: Authorities,
        required: bool,
    },
}

/// Who may vouch for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    File(NamedFile),
    /// Those that this machine trusts; the text is the setting that says so.
    System(String),
}

impl TlsSettings {
    /// Every file that is read when the certificates are.
    pub fn files(&self) -> Vec<&NamedFile> {
        let authorities = match &self.clients {
            ClientCertificates::Verified { authorities: Authorities::File(file), .. } => Some(file),
            _ => None,
        };
        [&self.certificate, &self.key].into_iter().chain(authorities).collect()
    }
}

impl NamedFile {
    pub fn new(setting: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { setting: setting.into(), place: None, path: path.into() }
    }

    /// What is wrong with the file.
    pub fn problem(&self, message: impl AsRef<str>) -> Problem {
        self.setting_problem(format!("{} {}", self.path.display(), message.as_ref()))
    }

    /// What is wrong with the setting.
    pub fn setting_problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.setting, message).at(self.place.clone())
    }

    pub(super) fn of(given: &Given) -> Self {
        let path = given.value.as_str().unwrap_or_default().into();
        Self { setting: given.setting.clone(), place: given.place.clone(), path }
    }
}

/// What is served, and whether a port that others reach may do without.
pub(super) fn resolve(
    settings: &Settings,
    listen: &ListenAddress,
    problems: &mut Vec<Problem>,
) -> (Option<TlsSettings>, bool) {
    let before = problems.len();
    let tls = Judge { settings, listen, problems }.judge();
    (tls.filter(|_| problems.len() == before), settings.switch("tls.required") == Some(true))
}

struct Judge<'a> {
    settings: &'a Settings,
    listen: &'a ListenAddress,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Judge<'a> {
    fn judge(&mut self) -> Option<TlsSettings> {
        let enabled = self.settings.get("tls.enabled");
        if let Some(off) = enabled.filter(|given| given.value == false) {
            for asked in self.asking() {
                let message = format!("has no effect while {} is false; drop one of them", off.setting);
                self.problems.push(asked.problem(message));
            }
            return None;
        }
        let asking = enabled.or_else(|| self.asking().first().copied())?;
        if matches!(self.listen, ListenAddress::Unix(_)) {
            let listen = self.listen;
            let message =
                format!("is for TCP, and the executor listens on {listen}, which needs no TLS; drop one of them");
            self.problems.push(asking.problem(message));
            return None;
        }
        let certificate = self.file(asking, "cert_file", "the executor's certificate");
        let key = self.file(asking, "key_file", "the certificate's private key");
        let clients = self.clients();
        Some(TlsSettings { certificate: certificate?, key: key?, clients })
    }

    /// The settings that make sense only where TLS is spoken.
    fn asking(&self) -> Vec<&'a Given> {
        let files = ["tls.cert_file", "tls.key_file", "tls.ca_file"].map(|key| self.settings.get(key));
        let demand = self.settings.get("tls.require_client_auth").filter(|given| given.value == true);
        files.into_iter().flatten().chain(demand).collect()
    }

    fn file(&mut self, asking: &Given, name: &str, what: &str) -> Option<NamedFile> {
        let key = format!("tls.{name}");
        let given = self.settings.get(&key).map(NamedFile::of);
        if given.is_none() {
            let variable = format!("CODEMODE_TLS_{}", name.to_uppercase());
            let asks = &asking.setting;
            let message = format!("is missing: {asks} asks for TLS, which needs {what}; set it, or {variable}");
            self.problems.push(Problem::new(key, message).at(asking.place.clone()));
        }
        given
    }

    /// Whoever names an authority for clients wants their certificates, unless it is said otherwise.
    fn clients(&mut self) -> ClientCertificates {
        let system = self.settings.get("tls.mode").filter(|mode| mode.value == "system");
        let demand = self.settings.get("tls.require_client_auth");
        let required = self.settings.switch("tls.require_client_auth");
        match (self.settings.get("tls.ca_file"), system) {
            (Some(file), Some(mode)) => {
                let message = format!("has no effect while {} is system; drop one of them", mode.setting);
                self.problems.push(file.problem(message));
            }
            (Some(file), None) => {
                let authorities = Authorities::File(NamedFile::of(file));
                return ClientCertificates::Verified { authorities, required: required.unwrap_or(true) };
            }
            (None, Some(mode)) if required == Some(true) => {
                let authorities = Authorities::System(mode.setting.clone());
                return ClientCertificates::Verified { authorities, required: true };
            }
            (None, Some(mode)) => self.problems.push(mode.problem(
                "system says who vouches for clients, and has no effect without tls.require_client_auth: true; \
                 leave it out",
            )),
            (None, None) => {
                if let Some(demand) = demand.filter(|_| required == Some(true)) {
                    let message = "needs to know who vouches for clients: set tls.ca_file, or tls.mode: system";
                    self.problems.push(demand.problem(message));
                }
            }
        }
        ClientCertificates::NotAsked
    }
}
