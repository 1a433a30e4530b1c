//! The server's side of plain HTTP: one connection at a time, kept for the next request to the same host.

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{Connection, Target},
    decision::Refusal,
    dial::Dialed,
    head::{HEAD_BYTES, HEADERS},
};

/// A connection to a server. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Upstream {
    target: Target,
    address: IpAddr,
    sender: SendRequest<Incoming>,
    _driver: AbortOnDropHandle<()>,
}

impl Upstream {
    /// Speaks HTTP on a connection that was just made.
    pub(crate) async fn new(connection: &Connection, target: Target, dialed: Dialed) -> Result<Self, Refusal> {
        let io = TokioIo::new(connection.metered(dialed.stream));
        let (sender, driver) = Builder::new()
            .max_buf_size(HEAD_BYTES)
            .max_header_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .handshake(io)
            .await
            .map_err(|_| Refusal::BadAnswer(BROKEN))?;
        let driver = connection.session().spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a server's connection broke");
            }
        });
        Ok(Self { target, address: dialed.address.ip(), sender, _driver: AbortOnDropHandle::new(driver) })
    }

    /// Its address, if it leads to the target and another request can be sent.
    pub(crate) async fn ready_for(&mut self, target: &Target) -> Option<IpAddr> {
        let is_same = self.target == *target && self.sender.ready().await.is_ok();
        is_same.then_some(self.address)
    }

    /// The head of the answer; or the request back, if nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, (Refusal, Option<Request<Incoming>>)> {
        match self.sender.try_send_request(request).await {
            Ok(response) if response.status().is_informational() => Err((Refusal::BadAnswer(SWITCHED), None)),
            Ok(response) => Ok(response),
            Err(mut error) => {
                let request = error.take_message();
                // hyper blames who gave it the body; that was the program.
                let refusal = match error.error().is_user() {
                    true => Refusal::BadRequest("the body of the request broke off or is malformed"),
                    false => Refusal::BadAnswer(BROKEN),
                };
                Err((refusal, request))
            }
        }
    }
}

const BROKEN: &str =
    "the server closed the connection, or its answer is not HTTP/1.1 with a head of at most 64 KiB and 100 headers";
const SWITCHED: &str = "the server switches to another protocol, which nobody asked for";
