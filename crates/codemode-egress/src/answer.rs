//! What a refused program is told in HTTP: a status, the word and one sentence that says what would have to change.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::decision::Refusal;

/// Carries the refusal's word. No answer from outside has it.
pub(crate) const REFUSAL: HeaderName = HeaderName::from_static("codemode-refusal");

/// A peer that is still sending is read for this long, or its system would drop the answer before it is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

pub(crate) fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::AmbiguousFraming(_) | Refusal::BadRequest(_) | Refusal::BadHost(_) | Refusal::NotHttp(_) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        Refusal::NoSuchName | Refusal::NoAnswer | Refusal::BadAnswer(_) => StatusCode::BAD_GATEWAY,
        Refusal::Unreachable(std::io::ErrorKind::TimedOut) | Refusal::Idle(_) => StatusCode::GATEWAY_TIMEOUT,
        Refusal::Unreachable(_) => StatusCode::BAD_GATEWAY,
        Refusal::TooManyConnections(_) | Refusal::TooManyBytes(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    }
}

/// The connection ends with it: a program that was refused has nothing to gain from the rest of what it sent.
pub(crate) fn response(refusal: &Refusal, sentence: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{sentence}\n")));
    *response.status_mut() = status(refusal);
    let headers = response.headers_mut();
    headers.insert(REFUSAL, HeaderValue::from_static(refusal.word()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The same on a connection that hyper does not serve.
pub(crate) async fn send(mut stream: TcpStream, refusal: &Refusal, sentence: &str) {
    let status = status(refusal);
    let text = format!(
        "HTTP/1.1 {} {}\r\ncodemode-refusal: {}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{sentence}\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        refusal.word(),
        sentence.len() + 1,
    );
    if stream.write_all(text.as_bytes()).await.is_ok() {
        linger(stream).await;
    }
}

/// Closes the connection so that what was written last arrives.
pub(crate) async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let mut rest = stream.take(LINGER_BYTES as u64);
        let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
}
