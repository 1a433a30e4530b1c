//! Plain HTTP, and CONNECT: each request is judged by itself, whatever came before it on the same connection.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{Either, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1::Builder,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    answer,
    connection::{About, Connection, Target},
    decision::{Refusal, Via},
    dial::Dialed,
    gate::Gate,
    head::{HEAD_BYTES, HEADERS},
    request::{self, Asked},
    secured,
    upstream::Upstream,
};

type Body = Either<Full<Bytes>, Incoming>;

/// Serves the connection to its end. `held` was read from it before. `bound` is the only host it leads to, and the
/// connection to it if that was made already.
pub(crate) async fn serve(
    connection: &Connection,
    stream: TcpStream,
    held: BytesMut,
    bound: Option<(Target, Option<Dialed>)>,
) {
    let (bound, dialed) = bound.unzip();
    let server = Server {
        connection,
        bound,
        first: Mutex::new(dialed.flatten()),
        upstream: tokio::sync::Mutex::new(None),
        tunnel: Mutex::new(None),
    };
    let service = service_fn(|request| Box::pin(server.answer(request)));
    let io = TokioIo::new(Gate::new(stream, held, connection.activity.clone()));
    let mut builder = Builder::new();
    builder.max_buf_size(HEAD_BYTES).max_headers(HEADERS).auto_date_header(false).header_read_timeout(None);
    let mut serving = builder.serve_connection(io, service);
    let result = poll_fn(|cx| serving.poll_without_shutdown(cx)).await;
    let parts = serving.into_parts();
    let (stream, held, refused) = parts.io.into_inner().into_parts();
    let granted = server.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (granted, refused) {
        (Some((target, dialed)), _) if result.is_ok() => {
            let held = [&parts.read_buf[..], &held].concat().as_slice().into();
            secured::serve(connection, &target, stream, held, Some(dialed)).await;
        }
        (_, Some(refusal)) => server.reject(stream, refusal).await,
        (_, None) => {
            if let Err(error) = result {
                tracing::debug!(%error, "a program's connection broke");
                if error.is_parse() {
                    // hyper has said so already.
                    connection.refuse(server.about(), Refusal::BadRequest("the request is malformed")).await;
                }
            }
            answer::linger(stream).await;
        }
    }
}

struct Server<'a> {
    connection: &'a Connection,
    bound: Option<Target>,
    /// A connection to that host which no request has used yet.
    first: Mutex<Option<Dialed>>,
    upstream: tokio::sync::Mutex<Option<Upstream>>,
    /// What a CONNECT was granted: the connection goes on as a tunnel.
    tunnel: Mutex<Option<(Target, Dialed)>>,
}

impl Server<'_> {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let asked = request::asked(&parts, self.bound.as_ref());
        let result = match asked {
            Ok(Asked::Forward(target)) => {
                let answer = self.forward(&target, Request::from_parts(parts, body)).await;
                answer.map_err(|refusal| (About::from(&target), refusal))
            }
            Ok(Asked::Tunnel(target)) => {
                let answer = self.open_tunnel(&target).await;
                answer.map_err(|refusal| (About::from(&target), refusal))
            }
            Err((about, refusal)) => {
                let refusal = self.connection.refuse(about.clone(), refusal).await;
                Err((about, refusal))
            }
        };
        Ok(result.unwrap_or_else(|(about, refusal)| {
            answer::response(&refusal, &self.connection.explain(about, &refusal)).map(Either::Left)
        }))
    }

    async fn open_tunnel(&self, target: &Target) -> Result<Response<Body>, Refusal> {
        let dialed = self.connection.open(target).await?;
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some((target.clone(), dialed));
        Ok(Response::new(Either::Left(Full::default())))
    }

    async fn forward(&self, target: &Target, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let answered = tokio::select! {
            answered = self.exchange(target, request::forwarded(request, target)) => answered?,
            () = self.connection.activity.idle() => {
                let idle = Refusal::Idle(self.connection.session().idle);
                return Err(self.connection.refuse(target, idle).await);
            }
        };
        let mut response = answered.map(Either::Right);
        let headers = response.headers_mut();
        request::strip(headers);
        headers.remove(answer::REFUSAL);
        if is_chunked {
            // What comes after chunks was not looked at.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    /// Decided on, then sent. A request of which nothing could be sent on a kept connection gets a new one.
    async fn exchange(&self, target: &Target, request: Request<Incoming>) -> Result<Response<Incoming>, Refusal> {
        let connection = self.connection;
        let mut kept = self.upstream.lock().await;
        let address = match kept.as_mut() {
            Some(upstream) => upstream.ready_for(target).await,
            None => None,
        };
        let request = match (kept.as_mut(), address) {
            (Some(upstream), Some(address)) => {
                connection.reuse(target, address).await?;
                match upstream.send(request).await {
                    Ok(response) => return Ok(response),
                    Err((_, Some(request))) => request,
                    Err((refusal, None)) => return Err(connection.refuse(target, refusal).await),
                }
            }
            _ => request,
        };
        // The old one is closed before the new one is opened.
        *kept = None;
        let upstream = kept.insert(self.connect(target).await?);
        match upstream.send(request).await {
            Ok(response) => Ok(response),
            Err((refusal, _)) => Err(connection.refuse(target, refusal).await),
        }
    }

    async fn connect(&self, target: &Target) -> Result<Upstream, Refusal> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let dialed = match first {
            Some(dialed) => {
                self.connection.reuse(target, dialed.address.ip()).await?;
                dialed
            }
            None => self.connection.open(target).await?,
        };
        match Upstream::new(self.connection, target.clone(), dialed).await {
            Ok(upstream) => Ok(upstream),
            Err(refusal) => Err(self.connection.refuse(target, refusal).await),
        }
    }

    /// What all its requests are about, if there is such a thing.
    fn about(&self) -> About {
        self.bound.as_ref().map_or(About::unknown(Via::Http), About::from)
    }

    /// A head that never became a request.
    async fn reject(&self, stream: TcpStream, refusal: Refusal) {
        let about = self.about();
        let refusal = self.connection.refuse(about.clone(), refusal).await;
        answer::send(stream, &refusal, &self.connection.explain(about, &refusal)).await;
    }
}
