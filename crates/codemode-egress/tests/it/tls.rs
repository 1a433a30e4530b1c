//! TLS servers and clients, and ClientHellos written by hand.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};

/// A certificate for these names, signed by itself.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(crate) fn new(names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        Self { certificate: cert.der().clone(), key: PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap() }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A client's handshake with `name`, which may be an address; `fragment` is the longest record it sends.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
        fragment: Option<usize>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.max_fragment_size = fragment;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// The server name extension with these `(type, name)` entries.
pub(crate) fn server_names(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let list = entries.iter().flat_map(|(kind, name)| [&[*kind], &vector(name)[..]].concat()).collect::<Vec<_>>();
    extension(0, &vector(&list))
}

pub(crate) fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), &vector(data)[..]].concat()
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A ClientHello message with these extensions and those that any server wants.
pub(crate) fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let wanted = [
        extension(13, &vector(&[4, 3, 8, 4])),
        extension(10, &vector(&[0, 29])),
        extension(43, &[2, 3, 4]),
        extension(51, &vector(&[&[0, 29][..], &vector(&[7; 32])].concat())),
    ];
    let extensions = [extensions.concat(), wanted.concat()].concat();
    let mut body = vec![3, 3];
    body.extend_from_slice(&[9; 32]);
    body.push(0);
    body.extend(vector(&[0x13, 1, 0xc0, 0x2f]));
    body.extend([1, 0]);
    body.extend(vector(&extensions));
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}

/// A handshake message in records of at most this many bytes.
pub(crate) fn records(message: &[u8], longest: usize) -> Vec<u8> {
    message.chunks(longest).flat_map(|part| [&[22, 3, 1][..], &vector(part)].concat()).collect()
}

/// In one record.
pub(crate) fn record(message: &[u8]) -> Vec<u8> {
    records(message, usize::MAX)
}
