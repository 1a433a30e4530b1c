//! One sandbox: made, confined, parked, used once, killed.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
    sync::Arc,
    time::Duration,
};

use codemode_sandbox::{
    apply::cell::is_brokered,
    cgroup::{Cgroup, CgroupError},
    container::stage,
    execs::{Granted, Programs},
    packet,
    plan::Means,
};
use codemode_socket::{LocalStream, watch};
use codemode_wire::{DecodeError, cell::FromCell, zygote::PACKET_BYTES};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
    sync::{Notify, futures::Notified, oneshot},
    task::JoinError,
};
use tokio_util::sync::DropGuard;

use crate::{
    StartError,
    cgroup::{Groups, SharedCgroup},
    code_process::CodeProcess,
    escape::escaped,
    execution::{ExecListener, Inlets},
    shape::Shape,
    slots::{SLOTS, UidSlot, UidSlots},
    socket::PacketSocket,
    zygote::{Gone, Held, Keeper, OrderError, Reins, Spawned, Zygote},
};

/// A sandbox takes milliseconds; this is for a machine on its knees and for a zygote that is being restarted.
const SPAWN_PATIENCE: Duration = Duration::from_secs(20);

/// Why there is no sandbox: one variant per step.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("all {SLOTS} user ids for sandboxes are in use")]
    NoUid,
    #[error("no control group: {0}")]
    Cgroup(#[source] CgroupError),
    #[error("a sandbox's share of the processors cannot be set: {0}")]
    Share(#[source] io::Error),
    #[error("no channel to a new sandbox: {0}")]
    Channel(#[source] io::Error),
    #[error("the zygote ended")]
    Lost,
    #[error("an interpreter of its own did not start: {0}")]
    Interpreter(#[source] Box<StartError>),
    #[error("the order did not reach the zygote: {0}")]
    Order(#[source] io::Error),
    #[error("the zygote could not fork: {0}")]
    Fork(String),
    #[error("the sandbox could not be confined at step `{step}`: {message}")]
    Confine { step: String, message: String },
    #[error("the sandbox ended before it was confined")]
    Ended,
    #[error("the sandbox and the executor do not understand each other: {0}")]
    Words(#[source] DecodeError),
    #[error("the sandbox was not confined within {} s", SPAWN_PATIENCE.as_secs())]
    Late,
    #[error("the folders of the container cannot be handed to a sandbox: {0}")]
    Stage(#[source] io::Error),
    #[error("a task of the executor died: {0}")]
    Task(#[source] JoinError),
}

impl From<OrderError> for SpawnError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Lost => Self::Lost,
            OrderError::NotStarted(error) => Self::Interpreter(error),
            OrderError::Send(error) => Self::Order(error),
            OrderError::Refused(reason) => Self::Fork(escaped(&reason)),
        }
    }
}

/// Who waits for a sandbox that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Urgency<'a> {
    Wanted,
    /// Nobody, until this says otherwise: so long it gives way to what runs.
    Spare(&'a Notify),
}

/// Confined and waiting for its code.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The user id of its code.
    pub(crate) uid: u32,
    /// While its code runs. Before `life`, so that it is handed back before the warden is released: who then clears away.
    pub(crate) stage: Option<Stage>,
    pub(crate) life: Life,
    pub(crate) guest: LocalStream,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    pub(crate) cell: PacketSocket,
    pub(crate) outputs: Option<OwnedFd>,
    /// Every writable folder: whether one is full is looked at, and where no cgroup counts it, what they hold.
    pub(crate) folders: Vec<OwnedFd>,
    pub(crate) layers: Vec<String>,
    /// Where starts of programs are observed. Until somebody listens none gets on.
    pub(crate) execs: Option<ExecListener>,
    /// What of a restricted network wants to be served.
    pub(crate) inlets: Inlets,
    pub(crate) cgroup: Option<SharedCgroup>,
    /// Its main process, where its control group tells whether there are others.
    pub(crate) code: Option<CodeProcess>,
    /// Readable once the kernel killed something for want of memory.
    pub(crate) oom: Option<AsyncFd<OwnedFd>>,
    /// What making it cost, to be taken off the bill.
    pub(crate) cpu_before: Duration,
}

/// In tier container: the channel to the warden, and what hears of the code's connects.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) channel: PacketSocket,
    pub(crate) connects: OwnedFd,
}

/// The processes of a sandbox. Dropping it kills them; what they held is let go when nothing of them is left.
#[derive(Debug)]
pub(crate) struct Life {
    /// Of the cell's init or warden.
    pub(crate) pid: i32,
    reins: Arc<Reins>,
    gone: oneshot::Receiver<Gone>,
}

impl Life {
    /// Kills every process in it.
    pub(crate) fn kill(&self) {
        self.reins.kill();
    }

    /// Whether it goes quiet first, with its /outputs still there, and ends when this is dropped.
    pub(crate) fn is_guarded(&self) -> bool {
        self.reins.is_guarded()
    }

    /// Resolves when nothing is left; `None`: the zygote ended first. Not to be called again then. Cancel safe.
    pub(crate) async fn gone(&mut self) -> Option<Gone> {
        (&mut self.gone).await.ok()
    }

    /// Whether one that waits for its code is still there to be used.
    pub(crate) fn check(&mut self) -> Result<(), SpawnError> {
        match self.gone.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => Ok(()),
            Err(oneshot::error::TryRecvError::Closed) => Err(SpawnError::Lost),
            Ok(_) => Err(SpawnError::Ended),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.reins.release();
    }
}

/// In tier container: the folders that all executions share are this one's while it lives.
#[derive(Debug)]
pub(crate) struct Stage(u32);

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = stage::hand_back(self.0) {
            tracing::error!(%error, "the folders of an execution cannot be taken back");
        }
    }
}

/// Makes sandboxes.
#[derive(Debug)]
pub(crate) struct Spawner {
    pub(crate) keeper: Keeper,
    /// `None`: the declared substitutes stand in.
    pub(crate) groups: Option<Arc<Groups>>,
    pub(crate) slots: Arc<UidSlots>,
    /// `None`: starts of programs are not observed.
    pub(crate) programs: Option<Programs>,
    pub(crate) means: Means,
}

/// Our ends and the sandbox's ends of its channels.
struct Ends {
    guest: LocalStream,
    stdout: pipe::Receiver,
    stderr: pipe::Receiver,
    cell: PacketSocket,
    theirs: [OwnedFd; 4],
}

impl Spawner {
    pub(crate) async fn spawn(&self, shape: &Shape, urgency: Urgency<'_>) -> Result<Sandbox, SpawnError> {
        let spawned = tokio::time::timeout(SPAWN_PATIENCE, self.spawn_with_any(shape, urgency)).await;
        spawned.map_err(|_| SpawnError::Late)?
    }

    /// Where a zygote dies over it, the next one makes it: nothing ran.
    async fn spawn_with_any(&self, shape: &Shape, urgency: Urgency<'_>) -> Result<Sandbox, SpawnError> {
        loop {
            let (zygote, end) = match shape.has_fresh_interpreter() {
                true => self.keeper.single().await.map(|(zygote, end)| (zygote, Some(end)))?,
                false => (self.keeper.zygote().await?, None),
            };
            match self.confined(&zygote, end, shape, urgency).await {
                Err(SpawnError::Lost) => zygote.lost().await,
                other => return other,
            }
        }
    }

    /// `end` of a zygote for this sandbox alone comes when nothing of the sandbox is left.
    async fn confined(
        &self,
        zygote: &Zygote,
        end: Option<DropGuard>,
        shape: &Shape,
        urgency: Urgency<'_>,
    ) -> Result<Sandbox, SpawnError> {
        let slot = self.slots.take().ok_or(SpawnError::NoUid)?;
        let cgroup = self.cgroup(shape).await?;
        let group = cgroup.as_ref().and_then(SharedCgroup::get);
        let giving_way = match urgency {
            Urgency::Wanted => None,
            Urgency::Spare(wanted) => group.map(|group| GivingWay::begin(group, wanted)).transpose()?,
        };
        let making = self.made(zygote, shape, slot, cgroup.clone(), end);
        match giving_way {
            None => making.await,
            Some(giving_way) => giving_way.through(making).await,
        }
    }

    async fn made(
        &self,
        zygote: &Zygote,
        shape: &Shape,
        slot: UidSlot,
        cgroup: Option<SharedCgroup>,
        end: Option<DropGuard>,
    ) -> Result<Sandbox, SpawnError> {
        let ends = Ends::new().map_err(SpawnError::Channel)?;
        let uid = slot.uid();
        let order = shape.order(uid, cgroup.is_some());
        let held = Held::new(slot, cgroup.clone(), end);
        let group = cgroup.as_ref().and_then(SharedCgroup::get);
        let broker = match is_brokered(self.means, &order.network) {
            true => Some(packet::pair().map_err(SpawnError::Channel)?),
            false => None,
        };
        let descriptors: Vec<BorrowedFd<'_>> = ends
            .theirs
            .iter()
            .chain(broker.as_ref().map(|(_, theirs)| theirs))
            .map(AsFd::as_fd)
            .chain(group.into_iter().flat_map(|group| group.members()))
            .collect();
        let Spawned { pid, reins, gone } = zygote.spawn(order, held, &descriptors).await?;
        let life = Life { pid, reins, gone };
        drop(descriptors);
        let Ends { guest, stdout, stderr, cell, theirs } = ends;
        // Ours closed, the channels end when the sandbox does.
        drop(theirs);
        let oom =
            group.and_then(|group| group.oom_event()).map(watch_event).transpose().map_err(SpawnError::Channel)?;
        let mut sandbox = Sandbox {
            uid,
            stage: None,
            life,
            guest,
            stdout,
            stderr,
            cell,
            outputs: None,
            folders: Vec::new(),
            layers: Vec::new(),
            execs: None,
            inlets: Inlets::default(),
            cgroup: cgroup.clone(),
            code: None,
            oom,
            cpu_before: Duration::ZERO,
        };
        let granted = self.programs.as_ref().map(|programs| programs.granted(shape.commands()));
        let broker = broker.map(|(ours, _)| PacketSocket::new(ours)).transpose().map_err(SpawnError::Channel)?;
        sandbox.await_confinement(granted, broker).await?;
        // What it said may have been said before it, or its zygote, died.
        sandbox.life.check().map(|()| sandbox)
    }

    async fn cgroup(&self, shape: &Shape) -> Result<Option<SharedCgroup>, SpawnError> {
        let Some(groups) = self.groups.clone() else { return Ok(None) };
        let limits = shape.cgroup_limits();
        if let Some(cgroup) = groups.reuse(&limits) {
            return Ok(Some(cgroup));
        }
        let created = tokio::task::spawn_blocking(move || groups.create(&limits)).await;
        created.map_err(SpawnError::Task)?.map_err(SpawnError::Cgroup).map(Some)
    }
}

/// Of a sandbox that is made for nobody yet.
struct GivingWay<'a> {
    group: &'a Cgroup,
    wanted: Notified<'a>,
}

impl<'a> GivingWay<'a> {
    fn begin(group: &'a Cgroup, wanted: &'a Notify) -> Result<Self, SpawnError> {
        // From here on it hears of a request, also while the order is under way.
        let wanted = wanted.notified();
        group.give_way().map_err(SpawnError::Share)?;
        Ok(Self { group, wanted })
    }

    /// Until the sandbox is made, or wanted.
    async fn through(self, making: impl Future<Output = Result<Sandbox, SpawnError>>) -> Result<Sandbox, SpawnError> {
        tokio::pin!(making);
        let made = tokio::select! {
            made = &mut making => Some(made),
            () = self.wanted => None,
        };
        self.group.restore().map_err(SpawnError::Share)?;
        match made {
            Some(made) => made,
            None => making.await,
        }
    }
}

fn listener(descriptors: Vec<OwnedFd>, granted: Option<Granted>) -> io::Result<Option<ExecListener>> {
    let Some((descriptor, granted)) = descriptors.into_iter().next().zip(granted) else { return Ok(None) };
    Ok(Some(ExecListener { descriptor: watch(descriptor, Interest::READABLE)?, granted }))
}

fn watch_event(event: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    watch(event.try_clone_to_owned()?, Interest::READABLE)
}

impl Ends {
    fn new() -> io::Result<Self> {
        let (guest, their_guest) = StdStream::pair()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        let (cell, their_cell) = packet::pair()?;
        Ok(Self {
            guest: LocalStream::new(guest)?,
            stdout: pipe::Receiver::from_owned_fd(stdout.into())?,
            stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
            cell: PacketSocket::new(cell)?,
            theirs: [their_guest.into(), their_stdout.into(), their_stderr.into(), their_cell],
        })
    }
}

impl Sandbox {
    /// Its code is about to start: in tier container the shared folders change hands. [`SpawnError::Ended`]: its warden
    /// was killed, and they are still nobody's.
    pub(crate) fn enter_stage(&mut self) -> Result<(), SpawnError> {
        if self.life.is_guarded() {
            stage::hand_over(self.uid).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => SpawnError::Ended,
                _ => SpawnError::Stage(error),
            })?;
            self.stage = Some(Stage(self.uid));
        }
        Ok(())
    }

    /// /outputs comes first.
    fn keep(&mut self, folders: Vec<OwnedFd>) {
        self.outputs = folders.first().and_then(|outputs| outputs.try_clone().ok());
        self.folders = folders;
    }

    async fn await_confinement(
        &mut self,
        mut granted: Option<Granted>,
        mut broker: Option<PacketSocket>,
    ) -> Result<(), SpawnError> {
        let mut buffer = vec![0; PACKET_BYTES];
        loop {
            let (length, descriptors) = self.cell.receive(&mut buffer).await.map_err(SpawnError::Channel)?;
            if length == 0 {
                return Err(if self.life.gone().await.is_some() { SpawnError::Ended } else { SpawnError::Lost });
            }
            match FromCell::decode(&buffer[..length]).map_err(SpawnError::Words)? {
                FromCell::Folders => self.keep(descriptors),
                FromCell::Network => self.inlets.listeners.extend(descriptors),
                FromCell::Confined { layers } => {
                    self.layers = layers;
                    match broker.take() {
                        Some(channel) => {
                            let connects = descriptors.into_iter().next();
                            self.inlets.broker = connects.map(|connects| Broker { channel, connects });
                        }
                        None => self.execs = listener(descriptors, granted.take()).map_err(SpawnError::Channel)?,
                    }
                    // Joined, or the cell would have named that step.
                    self.layers.extend(self.cgroup.as_ref().map(SharedCgroup::layer));
                    let group = self.cgroup.as_ref().and_then(SharedCgroup::get);
                    self.cpu_before = group.and_then(|group| group.cpu_time()).unwrap_or_default();
                    self.code = group.and_then(|_| CodeProcess::below(self.life.pid));
                    return Ok(());
                }
                FromCell::Failed { step, message } => {
                    return Err(SpawnError::Confine { step: escaped(&step), message: escaped(&message) });
                }
                FromCell::Exited { .. } | FromCell::Overfull { .. } | FromCell::Quiet { .. } => {
                    return Err(SpawnError::Ended);
                }
            }
        }
    }
}
