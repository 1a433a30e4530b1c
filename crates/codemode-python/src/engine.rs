use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use codemode_client::{Client, ClientError};
use pyo3::prelude::*;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::{errors::raised, pool::Lanes};

/// How soon Ctrl-C is noticed.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// A client with the thread that runs its connection. Belongs to the process that made it.
pub(crate) struct Engine {
    pub(crate) client: Client,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) handle: Handle,
    thread: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Engine {
    pub(crate) fn start(client: Client) -> PyResult<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("codemode-io".into()).spawn(move || {
            // Also when the sender is dropped.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(Self { client, lanes: Lanes::new(), handle, thread: Mutex::new(Some((stop, thread))) }))
    }

    /// Runs `work` on the connection's thread and waits for it without the GIL. A signal whose handler raises drops
    /// it, which cancels an execution.
    pub(crate) fn wait<T, F>(&self, py: Python<'_>, work: F) -> PyResult<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, mut receiver) = channel();
        let task = self.handle.spawn(async move {
            let _ = sender.send(work.await);
        });
        loop {
            let (back, received) = py.detach(move || {
                let received = receiver.recv_timeout(SIGNAL_CHECK);
                (receiver, received)
            });
            receiver = back;
            match received {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| task.abort())?,
                // The thread was stopped under it.
                Err(RecvTimeoutError::Disconnected) => return Err(raised(&ClientError::Closed { execution_id: None })),
            }
        }
    }

    /// Closes the client and ends the thread.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let client = self.client.clone();
        let closed = self.wait(py, async move { client.close().await });
        self.lanes.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = thread {
            drop(stop);
            // A thread that panicked has ended as well.
            py.detach(|| drop(thread.join()));
        }
        closed
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The thread ends when its sender is dropped; nobody needs to wait for that.
        self.lanes.close();
    }
}
