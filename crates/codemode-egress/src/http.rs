//! Plain HTTP, and CONNECT: each request is judged by itself, whatever came before it on the same connection.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{Either, Empty, Full};
use hyper::{Request, Response, body::Incoming, header::CONNECTION, http::HeaderValue, server::conn::http1::Builder, service::service_fn};
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
