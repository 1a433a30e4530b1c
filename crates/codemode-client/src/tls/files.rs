use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore,
    client::WantsClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};

use super::{CA_FILE, CERT_FILE, KEY_FILE, TlsMode, TlsOptions, exact::Exactly, shown};
use crate::ClientError;

/// HTTP/2 only: gRPC has no other.
const ALPN: &[u8] = b"h2";

/// Whether the files that the options name can be used.
pub(super) fn check(options: &TlsOptions) -> Result<(), ClientError> {
    match &options.mode {
        TlsMode::System => {}
        TlsMode::Custom(file) => drop(bundle(file)?),
        TlsMode::Exactly(file) => drop(certificates(CA_FILE, file)?),
    }
    identity(options, &aws_lc_rs::default_provider()).map(drop)
}

/// For one connection.
pub(super) fn client_config(options: &TlsOptions) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let identity = identity(options, &provider)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::config(format!("TLS cannot be set up: {error}")))?;
    let builder: rustls::ConfigBuilder<ClientConfig, WantsClientCert> = match &options.mode {
        TlsMode::System => builder.with_root_certificates(system_roots()?),
        TlsMode::Custom(file) => builder.with_root_certificates(bundle(file)?),
        TlsMode::Exactly(file) => {
            let expected = certificates(CA_FILE, file)?.swap_remove(0);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Exactly::new(expected, provider)))
        }
    };
    let mut config = match identity {
        Some(identity) => {
            let resolver = rustls::sign::SingleCertAndKey::from(identity);
            builder.with_client_cert_resolver(Arc::new(resolver))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn system_roots() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
    Err(ClientError::config(format!(
        "no root certificates were found on this machine{why}, so nothing can vouch for the executor. \
         Install them (the package ca-certificates), or set {CA_FILE}"
    )))
}

fn bundle(file: &Path) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates(CA_FILE, file)?) {
        roots.add(certificate).map_err(|error| {
            ClientError::config(format!("{CA_FILE}: certificate {number} in {} cannot be used: {error}", shown(file)))
        })?;
    }
    Ok(roots)
}

/// At least one.
fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let text = read(key, file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(ClientError::config(format!(
            "{key}: there is no certificate in {}; it must be PEM, with -----BEGIN CERTIFICATE-----",
            shown(file)
        ))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(damaged(key, file, &error)),
    }
}

/// The certificate of this client with its key, if it has them.
fn identity(options: &TlsOptions, provider: &CryptoProvider) -> Result<Option<CertifiedKey>, ClientError> {
    let (cert_file, key_file) = match (&options.client_cert_file, &options.client_key_file) {
        (None, None) => return Ok(None),
        (Some(cert_file), Some(key_file)) => (cert_file, key_file),
        (Some(_), None) => return Err(ClientError::config(format!("{CERT_FILE} needs {KEY_FILE} as well"))),
        (None, Some(_)) => return Err(ClientError::config(format!("{KEY_FILE} needs {CERT_FILE} as well"))),
    };
    let chain = certificates(CERT_FILE, cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(KEY_FILE, key_file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => ClientError::config(format!(
            "{KEY_FILE}: there is no private key in {}; it must be PEM, and not encrypted",
            shown(key_file)
        )),
        error => damaged(KEY_FILE, key_file, &error),
    })?;
    CertifiedKey::from_der(chain, key, provider).map(Some).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => ClientError::config(format!(
            "{KEY_FILE}: the key in {} is not the key of the certificate in {} ({CERT_FILE})",
            shown(key_file),
            shown(cert_file)
        )),
        error => ClientError::config(format!(
            "{CERT_FILE} {} and {KEY_FILE} {} cannot be used: {error}",
            shown(cert_file),
            shown(key_file)
        )),
    })
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(file).map_err(|error| ClientError::config(format!("{key}: cannot read {}: {error}", shown(file))))
}

/// Says nothing of the content: it may be a key.
fn damaged(key: &str, file: &Path, error: &pem::Error) -> ClientError {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "an -----END line is missing",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "a section cannot be read",
    };
    ClientError::config(format!("{key}: {} is damaged PEM: {what}", shown(file)))
}
