//! Connections of programs that know no proxy: the address they went to stands for a name.

use std::net::SocketAddrV4;

use bytes::BytesMut;
use codemode_types::domain::Host;
use tokio::net::TcpStream;

use crate::{
    connection::{About, Connection, Target},
    decision::{Refusal, Via},
    sniff,
};

/// A connection that was not admitted is closed.
pub(crate) async fn serve(
    connection: &Connection,
    stream: TcpStream,
    destination: SocketAddrV4,
    admitted: Result<(), Refusal>,
) {
    let port = destination.port();
    let name = connection.session().stub.name_of(*destination.ip());
    let refusal = match (name, admitted) {
        (Some(name), Ok(())) => {
            let target = Target { host: Host::Name(name), port, via: Via::Captured };
            return sniff::serve(connection, stream, BytesMut::new(), target, None).await;
        }
        (None, Ok(())) => Refusal::Direct,
        (_, Err(refusal)) => refusal,
    };
    connection.refuse(About::text(&destination.ip().to_string(), port, Via::Captured), refusal).await;
}
