//! DNS over TCP (RFC 7766): each message after its length in two bytes, one question after the other.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use codemode_types::domain::{DomainName, Host, Permission};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{MESSAGE_BYTES, Refused, Reply, Table, answer};
use crate::resolve::BoxFuture;

/// For a whole question to arrive, and for an answer to be taken.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const QUESTIONS_PER_CONNECTION: u32 = 1024;
const QUESTIONS_PER_SESSION: u32 = 65_536;

/// What the session knows about names.
pub(crate) trait Names: Send + Sync {
    fn judge(&self, host: &Host) -> Permission;
    /// Awaited before the program learns of it.
    fn refused(&self, refused: Refused) -> BoxFuture<()>;
}

/// One session's stub resolver.
#[derive(Debug)]
pub(crate) struct Stub {
    table: Mutex<Table>,
    questions_left: AtomicU32,
}

impl Stub {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::new(Table::new()), questions_left: AtomicU32::new(QUESTIONS_PER_SESSION) }
    }

    /// The name that the address was given out for.
    pub(crate) fn name_of(&self, address: Ipv4Addr) -> Option<DomainName> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).name_of(address).cloned()
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin + Send, names: &impl Names) {
        let mut last_refused = None;
        for _ in 0..QUESTIONS_PER_CONNECTION {
            let Ok(Ok(Some(question))) = timeout(IDLE_TIMEOUT, read(&mut stream)).await else { return };
            if !self.take_one() {
                tracing::warn!("an execution has asked {QUESTIONS_PER_SESSION} DNS questions; it gets no more answers");
                return;
            }
            let Reply { message, refused } = self.answer(&question, names);
            // Programs ask for both families of an address; that is one refusal.
            if let Some(refused) = refused
                && last_refused.as_ref() != Some(&refused)
            {
                last_refused = Some(refused.clone());
                names.refused(refused).await;
            }
            let Some(message) = message else { return };
            let Ok(Ok(())) = timeout(IDLE_TIMEOUT, write(&mut stream, &message)).await else { return };
        }
    }

    fn answer(&self, question: &[u8], names: &impl Names) -> Reply {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        answer(question, &mut table, &|host| names.judge(host))
    }

    fn take_one(&self) -> bool {
        self.questions_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// A question, or nothing when it is too long for one.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let length = usize::from(stream.read_u16().await?);
    if length > MESSAGE_BYTES {
        return Ok(None);
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Ok(Some(question))
}

/// Length and message in one piece: some resolvers take a lone length for a broken answer.
async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), message].concat();
    stream.write_all(&framed).await?;
    stream.flush().await
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
