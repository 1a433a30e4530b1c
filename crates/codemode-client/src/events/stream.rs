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
/// ```
/// use std::sync::Arc;
/// use codemode_client::{Client, EmbeddedOptions, Event, NoTools, Request};
/// use tokio_stream::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
/// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
/// # };
/// let client = Client::embedded(EmbeddedOptions::new(executable))?;
/// let events = client.stream(Request::new("print('hello')"), Arc::new(NoTools));
/// let printed: Vec<Event> = events.filter(|event| matches!(event, Event::Stdout(_))).collect().await;
/// assert_eq!(printed.len(), 1);
/// # Ok(())
/// # }
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
    /// ```
    /// use std::sync::Arc;
    /// use codemode_client::{Client, EmbeddedOptions, Event, NoTools, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let mut events = client.stream(Request::new("2 + 2"), Arc::new(NoTools));
    /// let Some(Event::Finished(outcome)) = events.next().await else { panic!("it prints nothing") };
    /// assert_eq!(outcome?.result::<i64>()?, Some(4));
    /// assert!(events.next().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Cancels the execution. The events until then and its report still come.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use codemode_client::{Client, EmbeddedOptions, Event, NoTools, Outcome, Request};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let Some(executable) = std::env::var_os("CODEMODE_EXECUTABLE") else {
    /// #     return Ok(println!("not run: CODEMODE_EXECUTABLE names no executor"));
    /// # };
    /// let client = Client::embedded(EmbeddedOptions::new(executable))?;
    /// let code = "print('up', flush=True)\nwhile True: pass";
    /// let mut events = client.stream(Request::new(code), Arc::new(NoTools));
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         Event::Stdout(_) => events.cancel(),
    ///         Event::Finished(outcome) => assert_eq!(outcome?.report.outcome, Outcome::Cancelled),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
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
