//! A tunnel that may only be TLS for the host it was granted for.

use bytes::BytesMut;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    answer,
    connection::{Connection, Target},
    dial::Dialed,
    hello::{self, PLAINTEXT},
    tunnel,
};

/// RFC 8446, section 6: a fatal alert, `access_denied`.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

/// Nothing reaches the server before the ClientHello was seen whole. `held` was read from the client before; without a
/// `server` the connection is opened, and so decided on, afterwards.
pub(crate) async fn serve(
    connection: &Connection,
    target: &Target,
    mut client: TcpStream,
    held: BytesMut,
    server: Option<Dialed>,
) {
    let hello = match hello::read(&mut client, held).await {
        Ok(None) => return,
        Ok(Some((hello, name))) => hello::compare(&target.host, name.as_deref()).map(|()| hello),
        Err(refusal) => Err(refusal),
    };
    let opened = match (hello, server) {
        (Ok(hello), Some(server)) => Ok((hello, server)),
        (Ok(hello), None) => connection.open(target).await.map(|server| (hello, server)),
        (Err(refusal), _) => Err(connection.refuse(target, refusal).await),
    };
    match opened {
        Ok((hello, mut server)) => {
            let session = connection.session();
            let ended = tunnel::run(&client, &mut server.stream, &hello, &session.budget, &connection.activity).await;
            if let Err(error) = ended {
                tracing::debug!(host = %target.host, %error, "a tunnel broke");
            }
        }
        // Whoever speaks HTTP to a tunnel can read this.
        Err(PLAINTEXT) => answer::send(client, &PLAINTEXT, &connection.explain(target, &PLAINTEXT)).await,
        Err(_) => {
            if client.write_all(&ALERT).await.is_ok() {
                answer::linger(client).await;
            }
        }
    }
}
