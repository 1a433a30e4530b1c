//! Keeps one zygote alive: starts it, and another one when it dies. Starts those that make a single cell.

use std::{
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::Child,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codemode_sandbox::{launch, plan::SandboxPlan, watch};
use codemode_wire::zygote::{FromZygote, PACKET_BYTES};
use tokio::{sync::watch as slot, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{OrderError, Zygote, process::ZygoteProcess};
use crate::{StartError, escape::escaped, self_test::Removed, socket::PacketSocket};

/// Preloading modules such as pandas takes seconds on a cold disk.
const READY_PATIENCE: Duration = Duration::from_secs(60);
const END_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How to start a zygote.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) guest_library: PathBuf,
    pub(crate) plan: SandboxPlan,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    current: slot::Receiver<Option<Arc<Zygote>>>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
    launch: Arc<Launch>,
    singles: TaskTracker,
}

struct Running {
    zygote: Arc<Zygote>,
    process: ZygoteProcess,
}

impl Keeper {
    pub(crate) async fn start(launch: Arc<Launch>) -> Result<Self, StartError> {
        let running = start(&launch).await?;
        let (sender, current) = slot::channel(Some(Arc::clone(&running.zygote)));
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(Arc::clone(&launch), running, sender, stop.clone()));
        Ok(Self { current, stop, task: Mutex::new(Some(task)), launch, singles: TaskTracker::new() })
    }

    /// The live zygote; waits while one is being started.
    pub(crate) async fn zygote(&self) -> Result<Arc<Zygote>, OrderError> {
        let mut current = self.current.clone();
        let alive = |zygote: &Option<Arc<Zygote>>| zygote.as_ref().is_some_and(|zygote| !zygote.lost.is_cancelled());
        let zygote = current.wait_for(alive).await.map_err(|_| OrderError::Lost)?;
        zygote.clone().ok_or(OrderError::Lost)
    }

    /// What the live zygote holds; none is alive while one is being started.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.current.borrow().as_ref().map_or(0, |zygote| zygote.memory_bytes)
    }

    /// A new one, for a single cell. It ends when the guard is dropped.
    pub(crate) async fn single(&self) -> Result<(Arc<Zygote>, DropGuard), OrderError> {
        let started = start(&self.launch).await;
        let Running { zygote, process } = started.map_err(|error| OrderError::NotStarted(Box::new(error)))?;
        let (over, stop, ending) = (CancellationToken::new(), self.stop.clone(), Arc::clone(&zygote));
        let end = over.clone().drop_guard();
        self.singles.spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = stop.cancelled() => {}
                () = process.ended() => {}
            }
            ending.dismiss();
            process.end(END_PATIENCE).await;
        });
        Ok((zygote, end))
    }

    /// Ends the zygote and with it every cell.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.singles.close();
        self.singles.wait().await;
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn keep(
    launch: Arc<Launch>,
    mut running: Running,
    current: slot::Sender<Option<Arc<Zygote>>>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = running.process.ended() => tracing::error!("the zygote ended; starting another"),
            () = running.zygote.lost.cancelled() => tracing::error!("the zygote hung up; starting another"),
        }
        current.send_replace(None);
        drop(running);
        running = tokio::select! {
            () = stop.cancelled() => return,
            running = restart(&launch) => running,
        };
        current.send_replace(Some(Arc::clone(&running.zygote)));
    }
    drop(current);
    running.zygote.dismiss();
    running.process.end(END_PATIENCE).await;
}

async fn restart(launch: &Arc<Launch>) -> Running {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        match start(launch).await {
            Ok(running) => return running,
            Err(error) => tracing::error!(%error, pause = ?pause, "the zygote does not start; trying again"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn start(launch: &Arc<Launch>) -> Result<Running, StartError> {
    let task = Arc::clone(launch);
    let started = tokio::task::spawn_blocking(move || launch::launch_zygote(&task.guest_library, &task.plan));
    let (child, socket): (Child, OwnedFd) =
        started.await.map_err(|_| StartError::ZygoteEnded)?.map_err(StartError::Launch)?;
    let process = ZygoteProcess::new(child).map_err(StartError::Watch)?;
    let socket = PacketSocket::new(socket).map_err(StartError::Watch)?;
    let removed = tokio::time::timeout(READY_PATIENCE, ready(&socket))
        .await
        .map_err(|_| StartError::ZygoteSilent(READY_PATIENCE))??;
    let memory_bytes = watch::tree(process.pid()).memory_bytes;
    Ok(Running { zygote: Zygote::attend(socket, removed, memory_bytes), process })
}

/// Waits for the zygote's first word; gives what its library lacks.
async fn ready(socket: &PacketSocket) -> Result<Removed, StartError> {
    let mut buffer = vec![0; PACKET_BYTES];
    let length = match socket.receive(&mut buffer).await {
        // Reset: it ended before it read its plan.
        Ok((0, _)) => return Err(StartError::ZygoteEnded),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(StartError::ZygoteEnded),
        Ok((length, _)) => length,
        Err(error) => return Err(StartError::Watch(error)),
    };
    match FromZygote::decode(&buffer[..length]).map_err(StartError::ZygoteWords)? {
        FromZygote::Ready { layers } => Removed::of(&layers),
        FromZygote::Failed { step, message } => {
            Err(StartError::ZygoteFailed { step: escaped(&step), message: escaped(&message) })
        }
        _ => Err(StartError::ZygoteEnded),
    }
}
