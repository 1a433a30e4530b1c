//! Certificates that a test makes for itself, and a client that trusts them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use codemode_server::{Authorities, ClientCertificates, NamedFile, Tls, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For this machine.
    pub(crate) fn server(&self) -> Issued {
        let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    pub(crate) fn client(&self, name: &str) -> Issued {
        let mut params = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }

    /// Trusts this authority, and shows a certificate if it has one.
    pub(crate) fn config(&self, shown: Option<&Issued>, protocol: &str) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.into()];
        config
    }

    pub(crate) async fn dial(&self, address: &str, shown: Option<&Issued>) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.config(shown, "http/1.1"), address).await
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(crate) async fn connect(config: ClientConfig, address: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// One request on a connection that stays open, and the whole of its answer, which ends with a JSON object.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, path: &str, key: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// A folder with the executor's files: `server.pem`, `server-key.pem`, `ca.pem`.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn of(authority: &Authority) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.write("ca.pem", &authority.pem);
        files.put(&authority.server());
        files
    }

    pub(crate) fn put(&self, server: &Issued) {
        self.write("server.pem", &server.certificate);
        self.write("server-key.pem", &server.key);
    }

    /// As a careful administrator does it: whole or not at all.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let beside = self.path("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, self.path(name)).unwrap();
        self.path(name)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `required`: whether each client must show a certificate; `None` asks for none.
    pub(crate) fn settings(&self, required: Option<bool>) -> TlsSettings {
        let file = |setting: &str, name: &str| named_file(setting, &self.path(name));
        let clients = match required {
            None => ClientCertificates::NotAsked,
            Some(required) => {
                let authorities = Authorities::File(file("tls.ca_file", "ca.pem"));
                ClientCertificates::Verified { authorities, required }
            }
        };
        let (certificate, key) = (file("tls.cert_file", "server.pem"), file("tls.key_file", "server-key.pem"));
        TlsSettings { certificate, key, clients }
    }

    pub(crate) fn load(&self, required: Option<bool>) -> Tls {
        Tls::load(self.settings(required)).unwrap()
    }
}

pub(crate) fn named_file(setting: &str, path: &Path) -> NamedFile {
    NamedFile::new(setting, path)
}
