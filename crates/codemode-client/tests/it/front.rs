//! TLS in front of a scripted executor, on a loopback port.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use codemode_client::{Client, ClientError, ClientOptions, TlsOptions};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    executor::{KEY, Server},
    pki::{Authority, Leaf},
};

/// Serves until dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    _tasks: JoinSet<()>,
}

impl Front {
    pub(crate) async fn start(executor: &Server, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(Mutex::new(Arc::new(config)));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&config), executor.socket()));
        Self { address, config, _tasks: tasks }
    }

    /// For the connections that follow.
    pub(crate) fn change(&self, config: ServerConfig) {
        *self.config.lock().unwrap() = Arc::new(config);
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn options(&self, tls: TlsOptions) -> ClientOptions {
        ClientOptions { api_key: Some(KEY.into()), tls: Some(tls), ..ClientOptions::new(self.url()) }
    }

    pub(crate) fn client(&self, tls: TlsOptions) -> Client {
        Client::connect(self.options(tls)).unwrap()
    }

    /// What somebody is told who connects with these options.
    pub(crate) async fn refusal(&self, tls: TlsOptions) -> ClientError {
        self.client(tls).info().await.unwrap_err()
    }
}

async fn accept(listener: TcpListener, config: Arc<Mutex<Arc<ServerConfig>>>, executor: PathBuf) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = TlsAcceptor::from(Arc::clone(&config.lock().unwrap()));
        connections.spawn(carry(acceptor, socket, executor.clone()));
    }
}

/// unexpected_message
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x0a";
const HANDSHAKE: u8 = 0x16;

/// What is refused is closed at once, with whatever the client had sent still unread.
async fn carry(acceptor: TlsAcceptor, mut socket: TcpStream, executor: PathBuf) {
    let mut first = [0];
    let _ = socket.peek(&mut first).await;
    if first != [HANDSHAKE] {
        let _ = socket.write_all(ALERT).await;
        return;
    }
    let Ok(mut client) = acceptor.accept(socket).await else { return };
    let mut executor = UnixStream::connect(executor).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut executor).await;
}

pub(crate) fn config(leaf: &Leaf) -> ServerConfig {
    config_with(leaf, WebPkiClientVerifier::no_client_auth(), rustls::ALL_VERSIONS)
}

/// Only for clients with a certificate of this CA.
pub(crate) fn mutual(leaf: &Leaf, clients: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(clients.der())), provider);
    config_with(leaf, verifier.build().unwrap(), versions)
}

fn config_with(
    leaf: &Leaf,
    verifier: Arc<dyn ClientCertVerifier>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let (certificate, key) = leaf.der();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn roots(certificate: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    roots
}
