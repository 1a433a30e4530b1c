//! TLS on the way to an executor: who vouches for it, and who this side is. Checking cannot be turned off.

mod exact;
mod files;
mod problem;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{ClientError, address::Address};
pub use problem::TlsProblem;

/// The names under which one setting is known to Rust and Python, to the environment and on the command line.
const ENABLED: &str = "tls.enabled (tls_enabled, CODEMODE_TLS_ENABLED)";
const CA_FILE: &str = "tls.ca_file (tls_cert_path, CODEMODE_TLS_CA_FILE, --tls-ca)";
const CERT_FILE: &str = "tls.client_cert_file (CODEMODE_TLS_CLIENT_CERT_FILE, --tls-cert)";
const KEY_FILE: &str = "tls.client_key_file (CODEMODE_TLS_CLIENT_KEY_FILE, --tls-key)";

/// How a client checks the executor behind an `https://` or `grpcs://` URL, and says who it is itself.
///
/// All files are PEM. They are read at each connect, so that certificates can be replaced under a running application.
///
/// ```
/// use codemode_client::{Client, ClientOptions, TlsOptions};
///
/// let tls = TlsOptions::custom("/does/not/exist/ca.pem");
/// let options = ClientOptions { tls: Some(tls), ..ClientOptions::new("https://executor.example") };
/// let error = Client::connect(options).unwrap_err();
/// assert_eq!(error.code(), "config");
/// assert!(error.to_string().contains("cannot read /does/not/exist/ca.pem"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Who may vouch for the executor.
    pub mode: TlsMode,
    /// The certificate of this client and the ones between it and its CA, for executors that ask for one.
    pub client_cert_file: Option<PathBuf>,
    /// The private key of that certificate, not encrypted.
    pub client_key_file: Option<PathBuf>,
    /// The name or address that the executor's certificate must hold; `None`: the host of the URL.
    pub server_name: Option<String>,
}

impl TlsOptions {
    /// Trust in the CA certificates of this file alone.
    ///
    /// ```
    /// use codemode_client::{TlsMode, TlsOptions};
    ///
    /// assert_eq!(TlsOptions::custom("ca.pem").mode, TlsMode::Custom("ca.pem".into()));
    /// ```
    pub fn custom(ca_file: impl Into<PathBuf>) -> Self {
        Self { mode: TlsMode::Custom(ca_file.into()), ..Self::default() }
    }

    /// The settings that were given, by name.
    fn given(&self) -> Vec<&'static str> {
        let keys = [
            (self.mode != TlsMode::System, CA_FILE),
            (self.client_cert_file.is_some(), CERT_FILE),
            (self.client_key_file.is_some(), KEY_FILE),
        ];
        keys.into_iter().filter_map(|(given, key)| given.then_some(key)).collect()
    }

    /// A later change of the working directory must not change what they mean.
    fn absolute(mut self) -> Result<Self, ClientError> {
        let file = match &mut self.mode {
            TlsMode::System => None,
            TlsMode::Custom(file) | TlsMode::Exactly(file) => Some((CA_FILE, file)),
        };
        let identity = [(CERT_FILE, self.client_cert_file.as_mut()), (KEY_FILE, self.client_key_file.as_mut())];
        let identity = identity.into_iter().filter_map(|(key, file)| file.map(|file| (key, file)));
        for (key, file) in file.into_iter().chain(identity) {
            *file = std::path::absolute(&*file)
                .map_err(|error| ClientError::config(format!("{key}: {:?}: {error}", file.display().to_string())))?;
        }
        Ok(self)
    }
}

/// Who may vouch for the executor.
///
/// ```
/// use codemode_client::{TlsMode, TlsOptions};
///
/// assert_eq!(TlsOptions::default().mode, TlsMode::System);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// The root certificates of this machine; SSL_CERT_FILE and SSL_CERT_DIR name others.
    #[default]
    System,
    /// The CA certificates of a file, and no others.
    Custom(PathBuf),
    /// Nobody: the executor's certificate is the first one of this file, whatever its names and dates are. For a probe
    /// on the executor's own machine.
    Exactly(PathBuf),
}

/// Checked options for one executor.
#[derive(Debug)]
pub(crate) struct Tls {
    options: TlsOptions,
    server_name: ServerName<'static>,
}

impl Tls {
    /// What the URL and the options agree on: `None` where neither wants TLS.
    pub(crate) fn of(
        url: &str,
        address: &Address,
        options: Option<TlsOptions>,
    ) -> Result<Option<Arc<Self>>, ClientError> {
        let Some(host) = address.tls_host() else {
            return options.map_or(Ok(None), |options| Err(contradiction(url, &options)));
        };
        let options = options.unwrap_or_default().absolute()?;
        let name = options.server_name.as_deref().unwrap_or(host).to_owned();
        let server_name = ServerName::try_from(name.clone()).map_err(|_| {
            ClientError::config(format!("executor URL {url:?}: {name:?} is no name that a certificate can hold"))
        })?;
        // A file that cannot be used is better known now than at the first execution.
        files::check(&options)?;
        Ok(Some(Arc::new(Self { options, server_name })))
    }

    /// Reads the files, as they are now.
    pub(crate) async fn connector(self: &Arc<Self>) -> Result<TlsConnector, ClientError> {
        let tls = Arc::clone(self);
        let config = spawn_blocking(move || files::client_config(&tls.options)).await;
        let config = config.map_err(|error| ClientError::config(format!("reading the TLS files: {error}")))?;
        Ok(TlsConnector::from(Arc::new(config?)))
    }

    pub(crate) async fn handshake(
        &self,
        connector: &TlsConnector,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        connector.connect(self.server_name.clone(), socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "it closed the connection during the TLS handshake; does it speak TLS?")
            }
            _ => error,
        })
    }

    /// What an error of the connection says about certificates and the protocol, if it does.
    pub(crate) fn problem(&self, error: &io::Error) -> Option<TlsProblem> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        TlsProblem::of(error, &self.options)
    }
}

fn contradiction(url: &str, options: &TlsOptions) -> ClientError {
    let keys = match options.given() {
        given if given.is_empty() => ENABLED.to_owned(),
        given => given.join(" and "),
    };
    let way_out = match secure_url(url) {
        Some(secure) => format!("use {secure}, or leave the setting out"),
        None => "leave the setting out: what a Unix socket carries never leaves this machine".into(),
    };
    ClientError::config(format!("executor URL {url:?} says no TLS, but {keys} is set; {way_out}"))
}

/// The same host with TLS.
fn secure_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    matches!(scheme, "http" | "grpc").then(|| format!("{scheme}s://{rest}"))
}

/// The same port, spoken to with TLS.
pub(crate) fn secure_port(url: &str) -> Option<String> {
    secure_url(&with_port(url)?)
}

/// The same port, spoken to without TLS.
fn plain_port(url: &str) -> Option<String> {
    let url = with_port(url)?;
    let (scheme, rest) = url.split_once("://")?;
    scheme.strip_suffix('s').map(|scheme| format!("{scheme}://{rest}"))
}

/// `http` and `https` mean different ports where none is named.
fn with_port(url: &str) -> Option<String> {
    let port = match url.split_once("://")? {
        ("http", _) => ":80",
        ("https", _) => ":443",
        _ => "",
    };
    let url = url.trim_end_matches('/');
    let (_, host) = url.rsplit_once(['/', ']'])?;
    Some(if host.contains(':') { url.into() } else { format!("{url}{port}") })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, options: TlsOptions) -> String {
        let error = Tls::of(url, &Address::parse(url).unwrap(), Some(options)).unwrap_err();
        assert_eq!(error.code(), "config");
        error.to_string()
    }

    #[test]
    fn settings_without_tls_are_an_error_that_names_both() {
        for (url, way_out) in [
            ("http://h:1", "use https://h:1, or leave"),
            ("grpc://h", "use grpcs://h, or leave"),
            ("unix:/run/s", "leave the setting out: what a Unix socket"),
        ] {
            let text = refused(url, TlsOptions::default());
            assert!(text.contains(url) && text.contains("tls.enabled") && text.contains(way_out), "{text}");
            let text = refused(url, TlsOptions::custom("/ca.pem"));
            assert!(text.contains("--tls-ca") && !text.contains("tls.enabled"), "{text}");
        }
    }

    #[test]
    fn the_other_way_to_speak_to_a_port() {
        for (plain, secure) in [
            ("http://h:1", "https://h:1"),
            ("http://[::1]:1/", "https://[::1]:1"),
            ("grpc://h", "grpcs://h"),
            ("grpc://[::1]", "grpcs://[::1]"),
            ("http://h", "https://h:80"),
            ("http://[::1]", "https://[::1]:80"),
        ] {
            assert_eq!(secure_port(plain).as_deref(), Some(secure));
        }
        assert_eq!(plain_port("https://h/").as_deref(), Some("http://h:443"));
        assert_eq!(plain_port("grpcs://h").as_deref(), Some("grpc://h"));
        assert_eq!((secure_port("unix:/s"), secure_port("unix:///s")), (None, None));
    }

    #[test]
    fn the_name_to_check_is_the_urls_or_the_one_given() {
        let name = |url: &str, server_name: Option<&str>| {
            let options = TlsOptions { server_name: server_name.map(String::from), ..TlsOptions::default() };
            let tls = Tls::of(url, &Address::parse(url).unwrap(), Some(options)).unwrap().unwrap();
            tls.server_name.to_str().into_owned()
        };
        assert_eq!(name("https://executor:1", None), "executor");
        assert_eq!(name("grpcs://[::1]", None), "::1");
        assert_eq!(name("https://10.0.0.1", Some("executor.example")), "executor.example");
        let options = TlsOptions { server_name: Some("a b".into()), ..TlsOptions::default() };
        assert!(refused("https://h", options).contains("\"a b\" is no name"));
    }
}
