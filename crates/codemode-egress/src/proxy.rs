//! The proxy's port: HTTP and SOCKS5, told apart by the first byte.

use bytes::BytesMut;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    answer,
    connection::{About, Connection},
    decision::{Refusal, Via},
    gate::HEAD_TIMEOUT,
    hello::HANDSHAKE,
    http, socks,
};

const SOCKS4: u8 = 4;

/// A connection that was not admitted is only told so.
pub(crate) async fn serve(connection: &Connection, stream: TcpStream, admitted: Result<(), Refusal>) {
    let mut first = [0];
    match timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // Gone, without a wish.
        Ok(_) => return,
        Err(_) => {
            connection.refuse(About::unknown(Via::Http), Refusal::Slow(HEAD_TIMEOUT)).await;
            return;
        }
    }
    match (first[0], admitted) {
        (socks::VERSION, admitted) => socks::serve(connection, stream, admitted).await,
        (SOCKS4, _) => {
            let refusal = Refusal::BadRequest("SOCKS4 is not served; use SOCKS5 (socks5h://) or HTTP");
            connection.refuse(About::unknown(Via::Socks5), refusal).await;
        }
        (HANDSHAKE, _) => {
            let refusal = Refusal::NotHttp("this is TLS, and the proxy's own address starts with http://");
            connection.refuse(About::unknown(Via::Http), refusal).await;
        }
        (_, Ok(())) => http::serve(connection, stream, BytesMut::new(), None).await,
        (_, Err(refusal)) => {
            let about = About::unknown(Via::Http);
            let refusal = connection.refuse(about.clone(), refusal).await;
            answer::send(stream, &refusal, &connection.explain(about, &refusal)).await;
        }
    }
}
