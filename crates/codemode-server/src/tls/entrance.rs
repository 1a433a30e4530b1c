//! The first words on a TCP connection: TLS where the port has it, and a clear refusal of everything else.

use std::{io, sync::Arc};

use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Tls,
    foreign::{self, HANDSHAKE},
};
use crate::{
    audit::{Audit, Origin, Peer, hex},
    seldom::{Seldom, and_untold},
};

/// What one listener does with those who come.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    tls: Option<Tls>,
    audit: Audit,
    told: Arc<Told>,
}

#[derive(Debug, Default)]
struct Told {
    strayed: Seldom,
    refused: Seldom,
}

/// A connection on which HTTP begins.
#[derive(Debug)]
pub(crate) enum Entered {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Entrance {
    pub(crate) fn new(tls: Option<Tls>, audit: Audit) -> Self {
        Self { tls, audit, told: Arc::default() }
    }

    /// `None` where nobody is left to serve; it was said why. Takes as long as the other side takes: the caller bounds
    /// it.
    pub(crate) async fn enter(&self, stream: TcpStream, peer: &mut Peer) -> Option<Entered> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) => {}
            // Gone without a word.
            _ => return None,
        }
        match (&self.tls, first == [HANDSHAKE]) {
            (Some(tls), true) => self.shake_hands(tls, stream, peer).await,
            (None, false) => Some(Entered::Plain(stream)),
            (Some(_), false) => {
                self.strayed(peer, "speaks no TLS, and this port does");
                foreign::answer_plaintext(stream).await;
                None
            }
            (None, true) => {
                self.strayed(peer, "speaks TLS, and this port does not");
                foreign::answer_tls(stream).await;
                None
            }
        }
    }

    async fn shake_hands(&self, tls: &Tls, stream: TcpStream, peer: &mut Peer) -> Option<Entered> {
        match TlsAcceptor::from(tls.current()).accept(stream).into_fallible().await {
            Ok(stream) => {
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                if let Some(certificate) = certificate {
                    peer.identify(&hex(&Sha256::digest(certificate)));
                }
                Some(Entered::Encrypted(Box::new(stream)))
            }
            // The alert was sent; it must not be lost to a reset because of what the client has sent meanwhile.
            Err((error, stream)) => {
                match refusal(&error) {
                    Some(reason) => self.refused(peer, &reason).await,
                    None => tracing::debug!(%error, %peer, "a TLS handshake failed"),
                }
                foreign::part(stream, &[]).await;
                None
            }
        }
    }

    fn strayed(&self, peer: &Peer, what: &str) {
        if let Some(untold) = self.told.strayed.turn() {
            tracing::warn!("a client at {peer} {what}{}", and_untold(untold));
        }
    }

    async fn refused(&self, peer: &Peer, reason: &str) {
        if let Some(untold) = self.told.refused.turn() {
            let detail = format!("{reason}{}", and_untold(untold));
            tracing::warn!("refused {peer}: {detail}");
            self.audit.refused(&Origin::of_connection(peer), None, "unauthenticated", &detail).await;
        }
    }
}

/// What is wrong with the client's certificate, if it is that.
fn refusal(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => Some("a client certificate is required, and none came".into()),
        rustls::Error::InvalidCertificate(why) => Some(format!("the client certificate is not accepted: {why}")),
        _ => None,
    }
}
