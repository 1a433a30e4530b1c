//! The way to the application's ToolService: one address, which the configuration says and no request.

use std::{io, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use codemode_config::sidecar::{CallbackSettings, CallbackTls};
use codemode_types::Problem;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_user_timeout};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::spawn_blocking,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{
    config::{ConfigError, ListenAddress},
    tls::outward,
};

const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may go without an acknowledgement until the connection counts as broken.
const SILENCE_MS: u32 = 20_000;

/// Where the application serves its tools, and how it is spoken to. Checked, and not dialled yet.
#[derive(Clone, Debug)]
pub struct Callback {
    uri: Uri,
    route: Arc<Route>,
    shown: String,
}

#[derive(Debug)]
enum Route {
    Tcp { host: String, port: u16, tls: Option<Arc<Secured>> },
    Unix(PathBuf),
}

#[derive(Debug)]
struct Secured {
    name: ServerName<'static>,
    settings: CallbackTls,
}

impl Callback {
    /// Reads the files once, so that one that cannot be used is known before anything is served.
    pub fn load(settings: CallbackSettings) -> Result<Self, ConfigError> {
        let shown = settings.target.to_string();
        Self::of(settings, shown).map_err(|problem| ConfigError::Problems(vec![problem]))
    }

    fn of(settings: CallbackSettings, shown: String) -> Result<Self, Problem> {
        let unfit = |_| Problem::new("main_app_grpc_target", format!("{shown} holds no name or address of a host"));
        let (uri, route) = match settings.target {
            // HTTP wants an authority; nobody resolves it.
            ListenAddress::Unix(path) => (Uri::from_static("http://application"), Route::Unix(path)),
            ListenAddress::Tcp { host, port } => {
                let scheme = if settings.tls.is_some() { "https" } else { "http" };
                let uri = Uri::try_from(format!("{scheme}://{shown}")).map_err(|error| unfit(error.to_string()))?;
                let tls = settings.tls.map(|settings| {
                    outward::client_config(&settings)?;
                    let name = ServerName::try_from(host.clone()).map_err(|error| unfit(error.to_string()))?;
                    Ok(Arc::new(Secured { name, settings }))
                });
                (uri, Route::Tcp { host, port, tls: tls.transpose()? })
            }
        };
        Ok(Self { uri, route: Arc::new(route), shown })
    }

    /// As the configuration has it.
    pub(super) fn address(&self) -> &str {
        &self.shown
    }

    /// Connects when it is first used, and again when the connection is gone. Must be called inside a tokio runtime.
    pub(super) fn channel(&self) -> Channel {
        let route = Arc::clone(&self.route);
        let connect = move |_: Uri| -> Pin<Box<dyn Future<Output = io::Result<_>> + Send>> {
            let route = Arc::clone(&route);
            Box::pin(async move { route.connect().await.map(TokioIo::new) })
        };
        // No pings: servers of the published package end a connection that sends more than a few.
        let endpoint = Endpoint::from(self.uri.clone()).connect_timeout(CONNECT);
        endpoint.connect_with_connector_lazy(tower::service_fn(connect))
    }
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

impl Route {
    async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        let (host, port, tls) = match self {
            Self::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp { host, port, tls } => (host.as_str(), *port, tls),
        };
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        set_socket_keepalive(&socket, true)?;
        set_tcp_user_timeout(&socket, SILENCE_MS)?;
        let Some(tls) = tls else { return Ok(Box::new(socket)) };
        // Read again for each connection, so that certificates can be replaced while the executor serves.
        let (reader, name) = (Arc::clone(tls), tls.name.clone());
        let config = spawn_blocking(move || outward::client_config(&reader.settings)).await;
        let config = config.map_err(io::Error::other)?;
        let config = config.map_err(|problem| io::Error::other(problem.to_string()))?;
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, socket).await?))
    }
}
