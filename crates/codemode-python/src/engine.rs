use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use codemode_client::{Client, ClientError};
use pyo3::prelude::*;
use tokio::{
    task::{AbortHandle, yield_now},
    time::timeout_at,
};

use crate::{
    driver::{Driver, QUICK, Role},
    errors::raised,
    pool::Lanes,
};

/// How soon Ctrl-C is noticed.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

type Received<T> = Result<T, RecvTimeoutError>;

/// A client with what drives its connection. Belongs to the process that made it.
pub(crate) struct Engine {
    pub(crate) client: Client,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) driver: Arc<Driver>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    pub(crate) fn start(client: Client) -> PyResult<Arc<Self>> {
        let (driver, thread) = Driver::start()?;
        let lanes = Lanes::new(&driver);
        Ok(Arc::new(Self { client, lanes, driver, thread: Mutex::new(Some(thread)) }))
    }

    /// Runs `work` on the connection and waits for it without the GIL. A signal whose handler raises drops it, which
    /// cancels an execution.
    pub(crate) fn wait<T, F>(&self, py: Python<'_>, work: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = channel();
        let open = self.driver.open();
        // Boxed, for it is handed on several times.
        let work = Box::pin(async move {
            let value = work.await;
            // First of all: whoever has the value may ask again at once.
            drop(open);
            let _ = sender.send(value);
        });
        let (mut receiver, task, mut received) = py.detach(move || {
            let until = Instant::now() + SIGNAL_CHECK;
            let (task, received) = self.begin(work, &receiver, until);
            let received = received.unwrap_or_else(|| self.receive(&receiver, until));
            (receiver, task, received)
        });
        loop {
            match received {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Timeout) => {
                    // A handler may take its time.
                    self.driver.resign();
                    py.check_signals().inspect_err(|_| {
                        task.abort();
                        self.driver.ensure();
                    })?;
                }
                // The runtime was ended under it.
                Err(RecvTimeoutError::Disconnected) => return Err(raised(&ClientError::Closed { execution_id: None })),
            }
            (receiver, received) = py.detach(move || {
                let received = self.receive(&receiver, Instant::now() + SIGNAL_CHECK);
                (receiver, received)
            });
        }
    }

    /// Spawns the work, and drives it where nobody else does.
    fn begin<T>(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
        receiver: &Receiver<T>,
        until: Instant,
    ) -> (AbortHandle, Option<Received<T>>) {
        let Some(lead) = self.driver.lead(Role::Caller) else {
            let task = self.driver.handle.spawn(work).abort_handle();
            self.driver.ensure();
            return (task, None);
        };
        lead.block_on(async {
            // What came while nobody drove is read first, and then acted on: that the executor is gone, above all.
            for _ in 0..2 {
                yield_now().await;
            }
            let task = tokio::spawn(work).abort_handle();
            (task, self.drive(receiver, until).await)
        })
    }

    /// Waits, and drives where a tool takes its time and nobody else does.
    fn receive<T>(&self, receiver: &Receiver<T>, until: Instant) -> Received<T> {
        let mut seen = 0;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let pause = if self.driver.is_guarded_by_caller() { left.min(QUICK) } else { left };
            let received = receiver.recv_timeout(pause);
            if !matches!(received, Err(RecvTimeoutError::Timeout)) || pause == left {
                return received;
            }
            if let Some(lead) = self.driver.regain(&mut seen)
                && let Some(received) = lead.block_on(self.drive(receiver, until))
            {
                return received;
            }
        }
    }

    async fn drive<T>(&self, receiver: &Receiver<T>, until: Instant) -> Option<Received<T>> {
        let over = || match receiver.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
            Err(TryRecvError::Empty) => None,
        };
        timeout_at(until.into(), self.driver.until(Role::Caller, over)).await.ok().flatten()
    }

    /// Closes the client and ends what drives it.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let client = self.client.clone();
        let closed = self.wait(py, async move { client.close().await });
        self.lanes.close();
        self.driver.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| {
            self.driver.wait_for_end();
            // A thread that panicked has ended as well.
            drop(thread.map(JoinHandle::join));
        });
        closed
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Nobody needs to wait for the end.
        self.lanes.close();
        self.driver.stop();
    }
}
