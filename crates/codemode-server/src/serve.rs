//! Connections: HTTP/1.1 and HTTP/2 on one port, with TLS or without, gRPC and HTTP on one router.

use std::{io, sync::Arc, time::Duration};

use axum::{Router, extract::Request, middleware};
use codemode_engine::Engine;
use codemode_socket::LocalStream;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic_health::server::HealthReporter;
use tower::ServiceExt as _;

use crate::{
    audit::{Audit, Peer},
    auth::{self, ApiKeys, Guard},
    callers::{Caller, Places, Reception, Source, Visit},
    compat::{self, Callback},
    executions::Executions,
    grpc, http,
    listen::{Listener, SocketFile},
    tls::{Entered, Entrance},
};

/// A peer that is gone without a word is noticed, and its executions are killed, after both have passed.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How long answered connections get to take their last bytes.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pause after `accept` failed, which mostly means that descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Of a request's head, and of what waits of its body.
const MOST_HTTP1_BUFFER: usize = 64 << 10;
/// As RFC 9113 counts them: names, values, and 32 for each.
const MOST_HEADER_BYTES: u32 = 8 << 10;
/// Clients of ours use one for everything; HTTP clients one for each execution, and wait where there are more.
const MOST_STREAMS: u32 = 128;
/// Streams that ended in a reset and are not yet forgotten: a client that makes more of them is sent away.
const MOST_RESETS: usize = 32;

/// A serving executor. Dropping it closes listeners and connections at once, which kills what runs.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<String>,
    executions: Executions,
    reporter: HealthReporter,
    accepting: CancellationToken,
    /// Connections end when nothing is under way on them.
    closing: CancellationToken,
    /// Connections end, whatever is under way.
    cut: CancellationToken,
    connections: TaskTracker,
    acceptors: JoinSet<()>,
}

/// Serves `engine` on listeners that are bound already. Must be called inside a tokio runtime.
pub async fn start(engine: Engine, keys: &ApiKeys, listeners: Vec<Listener>, audit: Audit) -> Running {
    start_with(engine, keys, listeners, audit, (Reception::default(), None)).await
}

/// As `start`, with other bounds on who may hold a connection, and with the application that the published protocol's
/// tool calls go to.
pub async fn start_with(
    engine: Engine,
    keys: &ApiKeys,
    listeners: Vec<Listener>,
    audit: Audit,
    (reception, callback): (Reception, Option<Callback>),
) -> Running {
    let closing = CancellationToken::new();
    let executions = Executions::new(engine, audit.clone(), closing.clone());
    let (grpc, reporter) = grpc::routes(&executions).await;
    let router = http::routes(&executions).merge(grpc).merge(compat::routes(&executions, callback, keys));
    let mut running = Running {
        addresses: listeners.iter().map(Listener::address).collect(),
        executions,
        reporter,
        accepting: CancellationToken::new(),
        closing,
        cut: CancellationToken::new(),
        connections: TaskTracker::new(),
        acceptors: JoinSet::new(),
    };
    let (places, refusals) = (Places::new(reception), Arc::default());
    for listener in listeners {
        let guard = Guard {
            keys: keys.clone(),
            tcp: matches!(listener, Listener::Tcp(..)),
            audit: audit.clone(),
            refusals: Arc::clone(&refusals),
        };
        let door = Door {
            // Outermost and on every path, the fallbacks included: what is not open is shut.
            router: router.clone().layer(middleware::from_fn_with_state(guard, auth::check)),
            closing: running.closing.clone(),
            cut: running.cut.clone(),
            connections: running.connections.clone(),
            places: places.clone(),
        };
        let (accepting, audit) = (running.accepting.clone(), audit.clone());
        running.acceptors.spawn(async move {
            tokio::select! {
                () = accept(listener, door, audit) => {}
                () = accepting.cancelled() => {}
            }
        });
    }
    running
}

impl Running {
    /// As bound: `127.0.0.1:8001`, `unix:/run/codemode.sock`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Stops accepting, lets live executions end until `patience` is over, kills the rest, says goodbye.
    pub async fn drain(mut self, patience: Duration) {
        self.executions.start_draining();
        grpc::stop_serving(&self.reporter).await;
        self.accepting.cancel();
        while self.acceptors.join_next().await.is_some() {}
        self.executions.engine().drain(patience).await;
        self.closing.cancel();
        self.connections.close();
        if timeout(FAREWELL, self.connections.wait()).await.is_err() {
            match patience.is_zero() {
                true => tracing::debug!("connections were still open and are cut"),
                false => tracing::warn!("connections were still open and are cut"),
            }
            self.cut.cancel();
        }
        self.executions.audit().close().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.cut.cancel();
    }
}

#[derive(Clone)]
struct Door {
    router: Router,
    closing: CancellationToken,
    cut: CancellationToken,
    connections: TaskTracker,
    places: Places,
}

async fn accept(listener: Listener, door: Door, audit: Audit) {
    match listener {
        Listener::Tcp(listener, tls) => {
            let entrance = Entrance::new(tls, audit);
            loop {
                match listener.accept().await {
                    // Small frames must not wait for the other side's acknowledgement.
                    Ok((stream, address)) => match stream.set_nodelay(true) {
                        Ok(()) => {
                            let visit = door.places.receive(Source::of(address.ip()));
                            let (peer, caller) = (Peer::tcp(address), visit.caller().clone());
                            door.admit(visit, enter(stream, peer, door.clone(), entrance.clone(), caller));
                        }
                        Err(error) => tracing::debug!(%error, "a connection was gone before it was served"),
                    },
                    Err(error) => pause(&error).await,
                }
            }
        }
        Listener::Unix(listener, file) => {
            let _file: SocketFile = file;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let peer = Peer::unix(stream.peer_cred().ok());
                        match stream.into_std().and_then(LocalStream::new) {
                            Ok(stream) => {
                                let visit = door.places.receive(Source::ThisMachine);
                                let caller = visit.caller().clone();
                                door.admit(visit, converse(stream, peer, door.clone(), caller));
                            }
                            Err(error) => pause(&error).await,
                        }
                    }
                    Err(error) => pause(&error).await,
                }
            }
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "accept failed");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

impl Door {
    /// For as long as the visit lasts.
    fn admit(&self, visit: Visit, conversation: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.connections.spawn(async move {
            tokio::select! {
                () = conversation => {}
                () = visit.over() => tracing::debug!("a connection without a known caller was cut"),
                () = cut.cancelled() => {}
            }
        });
    }
}

/// What comes before HTTP on a TCP connection, then HTTP.
async fn enter(stream: TcpStream, mut peer: Peer, door: Door, entrance: Entrance, caller: Caller) {
    let entered = tokio::select! {
        entered = entrance.enter(stream, &mut peer) => entered,
        () = door.closing.cancelled() => None,
    };
    match entered {
        Some(Entered::Plain(stream)) => converse(stream, peer, door, caller).await,
        Some(Entered::Encrypted(stream)) => converse(stream, peer, door, caller).await,
        None => {}
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    door: Door,
    caller: Caller,
) {
    let Door { router, closing, .. } = door;
    let builder = protocol();
    let service = router.map_request(move |mut request: Request<_>| {
        request.extensions_mut().insert(caller.clone());
        request.extensions_mut().insert(peer.clone());
        request
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended");
    }
}

/// Every bound here is one on what a single connection can make the daemon hold, also before it has shown a key.
fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(KEEPALIVE).max_buf_size(MOST_HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        // Whole tool values fit; what a stream may buffer here is bounded by it.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_header_list_size(MOST_HEADER_BYTES)
        .max_concurrent_streams(MOST_STREAMS)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_RESETS);
    builder
}
