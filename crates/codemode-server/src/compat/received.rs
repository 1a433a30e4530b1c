//! What the answers to one execution's calls hold here, from their first byte until they are handed on. Code decides how
//! many tools answer at once, and their answers may be as large as values are.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

/// Of one execution.
#[derive(Clone, Debug)]
pub(super) struct Received {
    total: Arc<AtomicUsize>,
    most: usize,
}

/// Of one call. Given back when the last clone of it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: Received,
    own: AtomicUsize,
    is_refused: AtomicBool,
}

impl Received {
    pub(super) fn new(most: usize) -> Self {
        Self { total: Arc::default(), most }
    }

    pub(super) fn share(&self) -> Arc<Share> {
        Arc::new(Share { of: self.clone(), own: AtomicUsize::new(0), is_refused: AtomicBool::new(false) })
    }
}

impl Share {
    /// Of this call so far.
    pub(super) fn bytes(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }

    /// Why there was no room for it, if so.
    pub(super) fn refusal(&self) -> Option<String> {
        self.is_refused.load(Ordering::Relaxed).then(|| {
            let most = self.of.most;
            format!(
                "too many large answers are under way at once, more than {most} bytes; make fewer calls at a time or ask \
                 for less per call"
            )
        })
    }

    fn take(&self, bytes: usize) -> bool {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        let fits = self.of.total.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.of.most;
        if !fits {
            self.is_refused.store(true, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.total.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// An answer whose bytes are counted.
pub(super) struct Metered<B> {
    pub(super) body: B,
    pub(super) share: Arc<Share>,
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin> Body for Metered<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        Poll::Ready(match self.share.take(bytes) {
            true => frame,
            false => Some(Err(Status::resource_exhausted("no room"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_given_back() {
        let received = Received::new(10);
        let (first, second) = (received.share(), received.share());
        assert!(first.take(6) && second.take(4) && !second.take(1));
        assert!(first.refusal().is_none() && second.refusal().is_some());
        drop(second);
        assert!(first.take(4) && first.bytes() == 10);
        drop(first);
        assert!(received.share().take(10));
    }
}
