use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use codemode_proto::v1;
use codemode_socket::LocalStream;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint, Uri},
};

use crate::{
    ClientError,
    address::{Address, endpoint},
    status::{Peer, detail},
    tls::Tls,
    wire::{Pulse, Speech, Watched},
};

const MAX_CONNECT: Duration = Duration::from_secs(10);

/// What it takes to reach an executor.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) address: Address,
    /// Present where the address wants it.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) key: Option<MetadataValue<Ascii>>,
    pub(crate) peer: Peer,
    pub(crate) hello: v1::Hello,
}

impl Dial {
    /// An HTTP/2 connection, whose keepalive gives a silent executor `timeout` in all.
    pub(crate) async fn channel(&self) -> Result<(Channel, Pulse), ClientError> {
        let pulse = Pulse::default();
        let channel = match (&self.address, &self.tls) {
            (Address::Unix(path), _) => self.endpoint().connect_with_connector(unix(path.clone(), pulse.clone())).await,
            (Address::Tcp(_), None) => self.endpoint().connect_with_connector(tcp(pulse.clone())).await,
            (Address::Tcp(_), Some(tls)) => {
                let connector = secure(Arc::clone(tls), tls.connector().await?, pulse.clone());
                self.endpoint().connect_with_connector(connector).await
            }
        };
        let url = || self.peer.url.clone();
        match (channel, pulse.problem()) {
            (Ok(channel), _) => Ok((channel, pulse)),
            (Err(_), Some(problem)) => Err(ClientError::Tls { url: url(), problem }),
            (Err(error), None) if elapsed(&error) => Err(ClientError::Timeout {
                url: url(),
                seconds: self.connect_limit().as_secs_f64(),
                execution_id: None,
            }),
            // tonic says "transport error"; what lies beneath says why.
            (Err(error), None) => {
                Err(ClientError::Connection { url: url(), detail: detail("", std::error::Error::source(&error)) })
            }
        }
    }

    pub(crate) fn authorized<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("authorization", key.clone());
        }
        request
    }

    /// For the connection and the TLS handshake.
    fn connect_limit(&self) -> Duration {
        self.peer.timeout.min(MAX_CONNECT)
    }

    fn endpoint(&self) -> Endpoint {
        let patience = self.peer.timeout;
        let interval = patience / 3;
        let uri = match &self.address {
            Address::Tcp(uri) => uri.clone(),
            // HTTP wants an authority; nobody resolves it.
            Address::Unix(_) => Uri::from_static("http://codemode"),
        };
        Endpoint::from(uri)
            .connect_timeout(self.connect_limit())
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(patience - interval)
    }
}

/// Whether it was our own limit that ended the attempt.
fn elapsed(error: &tonic::transport::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut errors = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none())
}

type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<TokioIo<Watched<S>>>> + Send>>;

fn tcp(
    pulse: Pulse,
) -> impl tower::Service<Uri, Response = TokioIo<Watched<TcpStream>>, Error = io::Error, Future = Connecting<TcpStream>>
{
    tower::service_fn(move |uri: Uri| -> Connecting<TcpStream> {
        let pulse = pulse.clone();
        Box::pin(async move { Ok(TokioIo::new(Watched::new(connected(&uri).await?, Speech::Clear, pulse))) })
    })
}

type Secure = TlsStream<TcpStream>;

fn secure(
    tls: Arc<Tls>,
    connector: TlsConnector,
    pulse: Pulse,
) -> impl tower::Service<Uri, Response = TokioIo<Watched<Secure>>, Error = io::Error, Future = Connecting<Secure>> {
    tower::service_fn(move |uri: Uri| -> Connecting<Secure> {
        let (tls, connector, pulse) = (Arc::clone(&tls), connector.clone(), pulse.clone());
        Box::pin(async move {
            let socket = connected(&uri).await?;
            let socket = tls.handshake(&connector, socket).await.inspect_err(|error| {
                if let Some(problem) = tls.problem(error) {
                    pulse.note_problem(problem);
                }
            })?;
            Ok(TokioIo::new(Watched::new(socket, Speech::Tls(tls), pulse)))
        })
    })
}

async fn connected(uri: &Uri) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(endpoint(uri)).await?;
    // A tool's answer must not wait for the acknowledgement of what went before.
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn unix(
    path: String,
    pulse: Pulse,
) -> impl tower::Service<Uri, Response = TokioIo<Watched<LocalStream>>, Error = io::Error, Future = Connecting<LocalStream>>
{
    tower::service_fn(move |_: Uri| -> Connecting<LocalStream> {
        let (path, pulse) = (path.clone(), pulse.clone());
        Box::pin(async move {
            let socket = LocalStream::new(UnixStream::connect(path).await?.into_std()?)?;
            Ok(TokioIo::new(Watched::new(socket, Speech::Local, pulse)))
        })
    })
}

/// `Bearer <key>`, kept out of logs.
pub(crate) fn bearer(key: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    let mut value = MetadataValue::try_from(format!("Bearer {key}"))
        .map_err(|_| ClientError::config("the API key has characters that a header cannot carry"))?;
    value.set_sensitive(true);
    Ok(value)
}
