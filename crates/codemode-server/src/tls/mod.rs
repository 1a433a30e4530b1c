//! TLS on the executor's TCP port: the certificate it shows, the clients' certificates it asks for, and what others
//! get who speak something else.

mod certificate;
mod entrance;
mod files;
mod foreign;
pub(crate) mod outward;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use codemode_types::Problem;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

pub(crate) use self::entrance::{Entered, Entrance};
use crate::{config::ConfigError, secret_file::Stamp};
pub use codemode_config::sidecar::{Authorities, ClientCertificates, NamedFile, TlsSettings};

/// What a listener shows and asks. Cheap to clone; all clones change together when the files are read again.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    /// Of the files, just before they were read first.
    stamps: Vec<Stamp>,
}

impl Tls {
    /// Reads the files. Every problem with them is reported at once.
    pub fn load(settings: TlsSettings) -> Result<Self, ConfigError> {
        let stamps = settings.files().into_iter().map(|file| Stamp::of(&file.path)).collect();
        let current = RwLock::new(Arc::new(read(&settings)?));
        Ok(Self(Arc::new(Shared { settings, current, stamps })))
    }

    /// Reads the files again. Where something is wrong with them, what held so far holds on. Connections that are open
    /// are left alone.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let fresh = Arc::new(read(&self.0.settings)?);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.0.settings.files().into_iter().map(|file| file.path.clone()).collect()
    }

    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.0.stamps.clone()
    }

    fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tls").field(&self.0.settings).finish()
    }
}

fn read(settings: &TlsSettings) -> Result<ServerConfig, ConfigError> {
    // Named here, so that no other crate in the process decides about it.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut problems = Vec::new();
    let mut take = |problem: Problem| problems.push(problem);
    let chain = files::chain(&settings.certificate).map_err(&mut take);
    let key = files::private_key(&settings.key).map_err(&mut take);
    let verifier = verifier(&settings.clients, &provider).map_err(&mut take);
    let (Ok(chain), Ok(key), Ok(verifier)) = (chain, key, verifier) else {
        return Err(ConfigError::Problems(problems));
    };
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| settings.key.problem(format!("cannot be used: {error}")));
    let config = builder.and_then(|builder| {
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        builder.with_single_cert(chain, key).map_err(|error| unusable(settings, &error))
    });
    let mut config = config.map_err(|problem| ConfigError::Problems(vec![problem]))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn unusable(settings: &TlsSettings, error: &rustls::Error) -> Problem {
    let certificate = settings.certificate.path.display();
    match error {
        rustls::Error::InconsistentKeys(_) => {
            settings.key.problem(format!("is not the key of {certificate}: the two do not belong together"))
        }
        rustls::Error::General(why) => settings.key.problem(format!("cannot be used: {why}")),
        rustls::Error::InvalidCertificate(_) => settings.certificate.problem(format!("cannot be used: {error}")),
        _ => settings.key.problem(format!("cannot be used: {error}")),
    }
}

fn verifier(
    clients: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Problem> {
    let ClientCertificates::Verified { authorities, required } = clients else { return Ok(None) };
    let (roots, setting): (RootCertStore, _) = match authorities {
        Authorities::File(file) => (files::authorities(file)?, &file.setting),
        Authorities::System(setting) => (files::system_authorities(setting, "tls.ca_file")?, setting),
    };
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if *required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build();
    verifier.map(Some).map_err(|error| Problem::new(setting, error.to_string()))
}
