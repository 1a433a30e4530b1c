use std::future::Future;

use bytes::Bytes;
use codemode_types::OutputStream;

/// Receives output as it comes. The executor holds output back while the sink is busy.
///
/// ```
/// use bytes::Bytes;
/// use codemode_client::{OutputSink, OutputStream};
///
/// /// Counts.
/// #[derive(Default)]
/// struct Count {
///     bytes: usize,
/// }
///
/// impl OutputSink for Count {
///     async fn write(&mut self, _: OutputStream, data: Bytes) {
///         self.bytes += data.len();
///     }
/// }
/// # drop(Count::default());
/// ```
pub trait OutputSink: Send {
    /// The next piece. A character may be cut in two.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use codemode_client::{OutputSink, OutputStream};
    ///
    /// async fn hello(sink: &mut impl OutputSink) {
    ///     sink.write(OutputStream::Stdout, Bytes::from_static(b"hello")).await;
    /// }
    /// ```
    fn write(&mut self, stream: OutputStream, data: Bytes) -> impl Future<Output = ()> + Send;
}

/// One that outlives an attempt.
impl<S: OutputSink> OutputSink for &mut S {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        (**self).write(stream, data).await;
    }
}

/// A closure as a sink.
pub(crate) struct Closure<F>(pub(crate) F);

impl<F: FnMut(OutputStream, &[u8]) + Send> OutputSink for Closure<F> {
    async fn write(&mut self, stream: OutputStream, data: Bytes) {
        (self.0)(stream, &data);
    }
}
