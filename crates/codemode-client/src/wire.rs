use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{TlsProblem, greeting::Greeting, tls::Tls};

/// How much of what is still unread is looked at once the connection is lost.
const LAST_READS: usize = 8;
const LAST_READ: usize = 1024;

/// What only the connection itself knows of its end; HTTP/2 reports no more than a broken pipe to its streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ended: AtomicBool,
    mute: AtomicBool,
    problem: OnceLock<TlsProblem>,
}

impl Pulse {
    /// Whether the kernel ended the connection. If it did not and it is over all the same, keepalives went unanswered.
    pub(crate) fn ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// Whether it ended without a word, as a port with TLS may do that hears something else.
    pub(crate) fn mute(&self) -> bool {
        self.0.mute.load(Ordering::Relaxed)
    }

    /// The first thing that had to do with TLS.
    pub(crate) fn problem(&self) -> Option<TlsProblem> {
        self.0.problem.get().cloned()
    }

    pub(crate) fn note_problem(&self, problem: TlsProblem) {
        let _ = self.0.problem.set(problem);
    }
}

/// What is spoken on a connection.
pub(crate) enum Speech {
    /// HTTP/2 to this machine only.
    Local,
    /// HTTP/2, to a port that may want TLS.
    Clear,
    /// TLS; its handshake is done, but for what the executor says about the client's certificate.
    Tls(Arc<Tls>),
}

/// A socket that tells its pulse.
pub(crate) struct Watched<S> {
    socket: S,
    speech: Speech,
    greeting: Greeting,
    /// Why nothing can be written any more, while what is left is read.
    failed: Option<io::Error>,
    pulse: Pulse,
}

impl<S> Watched<S> {
    pub(crate) fn new(socket: S, speech: Speech, pulse: Pulse) -> Self {
        Self { socket, speech, greeting: Greeting::default(), failed: None, pulse }
    }

    fn hear(&mut self, data: &[u8]) {
        if matches!(self.speech, Speech::Clear) && self.greeting.hear(data) {
            self.pulse.note_problem(TlsProblem::Required);
        }
    }

    fn end(&self) {
        self.pulse.0.ended.store(true, Ordering::Relaxed);
        let mute = !self.greeting.heard() && matches!(self.speech, Speech::Clear);
        self.pulse.0.mute.store(mute, Ordering::Relaxed);
    }

    fn fail(&self, error: &io::Error) {
        self.end();
        if let Speech::Tls(tls) = &self.speech
            && let Some(problem) = tls.problem(error).filter(TlsProblem::is_refusal)
        {
            self.pulse.note_problem(problem);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// Writes, unless writing has failed before. A connection that takes no more may still hold the reason: that is read
    /// before the failure is told.
    fn write<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let error = match self.failed.take() {
            Some(error) => error,
            None => match ready!(write(Pin::new(&mut self.socket), context)) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => error,
            },
        };
        // Only these leave a connection of which the kernel says at once that there is no more to read.
        let over = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        if over && self.last_words(context).is_pending() {
            self.failed = Some(error);
            return Poll::Pending;
        }
        self.fail(&error);
        Poll::Ready(Err(error))
    }

    fn last_words(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..LAST_READS {
            let mut data = [0; LAST_READ];
            let mut buffer = ReadBuf::new(&mut data);
            match ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => break,
                Ok(()) => self.hear(buffer.filled()),
                Err(error) => {
                    self.fail(&error);
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining() > 0;
        let result = ready!(Pin::new(&mut self.socket).poll_read(context, buffer));
        match &result {
            Ok(()) if buffer.filled().len() > before => self.hear(&buffer.filled()[before..]),
            Ok(()) if room => self.end(),
            Ok(()) => {}
            Err(error) => self.fail(error),
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.write(context, |socket, context| socket.poll_write(context, data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(context, |socket, context| socket.poll_write_vectored(context, data))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context, |socket, context| socket.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
