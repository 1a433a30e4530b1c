use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Event, Outlet, Queued};
use crate::{ClientError, ExecutionOutcome};

/// The events of one execution, from [`Client::stream`](crate::Client::stream). Dropped before `Finished`, it cancels
/// the execution. It is a `futures_core::Stream`, and can be read without any such crate.
///
/// ```no_run
/// use codemode_client::{Event, ExecutionStream};
///
/// async fn print(mut events: ExecutionStream) {
///     while let Some(event) = events.next().await {
///         if let Event::Stdout(bytes) = event {
///             print!("{}", String::from_utf8_lossy(&bytes));
///         }
///     }
/// }
/// ```
pub struct ExecutionStream {
    events: mpsc::UnboundedReceiver<Queued>,
    cancel: CancellationToken,
    finished: bool,
    _task: AbortOnDropHandle<()>,
}

impl ExecutionStream {
    pub(crate) fn of<R>(cancel: CancellationToken, run: impl FnOnce(Outlet) -> R) -> Self
    where
        R: Future<Output = Result<ExecutionOutcome, ClientError>> + Send + 'static,
    {
        let (outlet, events) = Outlet::new();
        let execution = run(outlet.clone());
        let task = tokio::spawn(async move { outlet.push(Event::Finished(execution.await)) });
        Self { events, cancel, finished: false, _task: AbortOnDropHandle::new(task) }
    }

    /// What happens next; `None` after `Finished`. Dropping the future loses nothing.
    ///
    /// ```no_run
    /// # async fn run(mut events: codemode_client::ExecutionStream) {
    /// while let Some(event) = events.next().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Cancels the execution. The events until then and its report still come.
    ///
    /// ```no_run
    /// use codemode_client::{Event, ExecutionStream};
    ///
    /// async fn first_output(mut events: ExecutionStream) {
    ///     while let Some(event) = events.next().await {
    ///         match event {
    ///             Event::Stdout(_) => events.cancel(),
    ///             Event::Finished(Ok(outcome)) => println!("{}", outcome.report.outcome),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Stream for ExecutionStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.finished {
            return Poll::Ready(None);
        }
        // The task ends without a word only where its runtime does.
        let event = ready!(self.events.poll_recv(context)).map(|queued| queued.event);
        let event = event.unwrap_or(Event::Finished(Err(ClientError::Closed { execution_id: None })));
        self.finished = matches!(event, Event::Finished(_));
        Poll::Ready(Some(event))
    }
}

impl fmt::Debug for ExecutionStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ExecutionStream").field("finished", &self.finished).finish_non_exhaustive()
    }
}
