use std::future::Future;

use bytes::Bytes;
use codemode_types::OutputStream;

/// Receives output as it comes. The executor holds output back while the sink is busy.
pub trait OutputSink: Send {
    fn write(&mut self, stream: OutputStream, data: Bytes) -> impl Future<Output = ()> + Send;
}

/// A closure as a sink.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: FnMut(OutputStream, &[u8]) + Send> OutputSink for Closure<F> {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        (self.0)(stream, &data);
    }
}
