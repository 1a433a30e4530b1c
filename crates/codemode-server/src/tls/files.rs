//! Certificates and keys as files hold them, and what is wrong with those that hold none.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use codemode_types::Problem;
use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject, SectionKind},
    },
};

use super::{NamedFile, certificate};
use crate::secret_file;

type Section = (SectionKind, Vec<u8>);

/// The server's certificate and those that lead from it to its authority.
pub(super) fn chain(file: &NamedFile) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let sections = sections(file, &read(file)?.0)?;
    let found = certificates(&sections);
    if found.is_empty() {
        let hint = match sections.iter().any(|(kind, _)| is_key(*kind)) {
            true => "; it holds a private key: are the certificate and the key swapped?",
            false => "",
        };
        return Err(file.problem(format!("holds no certificate in PEM form{hint}")));
    }
    if let Some(first) = found.first() {
        certificate::warn_of(first, file).map_err(|message| file.problem(message))?;
    }
    Ok(found)
}

pub(super) fn private_key(file: &NamedFile) -> Result<PrivateKeyDer<'static>, Problem> {
    let (text, metadata) = read(file)?;
    if text.windows(9).any(|window| window == b"ENCRYPTED") {
        let remedy = "holds an encrypted private key; write it without a passphrase (openssl pkey -in FILE -out NEW)";
        return Err(file.problem(remedy));
    }
    let sections = sections(file, &text)?;
    let mut keys = sections.iter().filter(|(kind, _)| is_key(*kind));
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        (Some(_), Some(_)) => return Err(file.problem("holds more than one private key; leave one")),
        (None, _) => return Err(file.problem(without_key(&sections))),
    };
    if metadata.mode() & 0o004 != 0 {
        let file = file.path.display();
        tracing::warn!("every user of this machine can read the TLS private key {file}; give it mode 0600");
    }
    let (kind, der) = key;
    PrivateKeyDer::from_pem(*kind, der.clone()).ok_or_else(|| file.problem("holds no private key"))
}

/// The authorities in a file that may vouch for clients.
pub(super) fn authorities(file: &NamedFile) -> Result<RootCertStore, Problem> {
    let sections = sections(file, &read(file)?.0)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&sections) {
        roots.add(certificate).map_err(|_| file.problem(certificate::MALFORMED))?;
    }
    match roots.is_empty() {
        true => Err(file.problem("holds no certificate in PEM form")),
        false => Ok(roots),
    }
}

/// Those that this machine trusts.
pub(super) fn system_authorities(setting: &str, instead: &str) -> Result<RootCertStore, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => {
            let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
            let message = format!("this machine has no certificate authorities of its own{why}; use {instead}");
            Err(Problem::new(setting, message))
        }
        false => Ok(roots),
    }
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn certificates(sections: &[Section]) -> Vec<CertificateDer<'static>> {
    let found = sections.iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    found.map(|(_, der)| CertificateDer::from(der.clone())).collect()
}

fn without_key(sections: &[Section]) -> String {
    match sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate) {
        true => "holds a certificate and no private key: are the certificate and the key swapped?".into(),
        false => "holds no private key in PEM form (PKCS#8, PKCS#1 or SEC1)".into(),
    }
}

fn sections(file: &NamedFile, text: &[u8]) -> Result<Vec<Section>, Problem> {
    let sections = Section::pem_slice_iter(text).collect::<Result<_, pem::Error>>();
    // The error may quote what it is about, which may be a key.
    sections.map_err(|_| file.problem("is not well-formed PEM; is a part of it missing?"))
}

fn read(file: &NamedFile) -> Result<(Vec<u8>, Metadata), Problem> {
    secret_file::read(&file.path)
        .map_err(|error| file.setting_problem(format!("cannot read {}: {error}", file.path.display())))
}
