//! Which cells a zygote owes an answer for, and what each cell holds until nothing of it is left.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codemode_socket::watch;
use tokio::{io::Interest, sync::oneshot};
use tokio_util::sync::DropGuard;

use super::{Gone, Reins};
use crate::{cgroup::SharedCgroup, slots::UidSlot};

/// How long cells of a lost zygote may take to die before their ids and groups are let go all the same.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(10);

/// What is free for the next cell only when nothing of this one is left.
#[derive(Debug)]
pub(crate) struct Held {
    slot: UidSlot,
    cgroup: Option<SharedCgroup>,
    /// Ends a zygote that made this cell alone.
    _end: Option<DropGuard>,
}

impl Held {
    pub(crate) fn new(slot: UidSlot, cgroup: Option<SharedCgroup>, end: Option<DropGuard>) -> Self {
        Self { slot, cgroup, _end: end }
    }
}

type SpawnedSender = oneshot::Sender<Result<(i32, Arc<Reins>), String>>;

#[derive(Debug)]
pub(super) struct Ticket {
    spawned: Option<SpawnedSender>,
    gone: oneshot::Sender<Gone>,
    reins: Option<Arc<Reins>>,
    held: Held,
}

impl Ticket {
    pub(super) fn new(spawned: SpawnedSender, gone: oneshot::Sender<Gone>, held: Held) -> Self {
        Self { spawned: Some(spawned), gone, reins: None, held }
    }
}

#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    lost: bool,
    tickets: HashMap<u64, Ticket>,
}

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: the zygote is lost.
    pub(super) fn open(&self, ticket: Ticket) -> Option<u64> {
        let mut open = self.lock();
        if open.lost {
            return None;
        }
        open.last += 1;
        let number = open.last;
        open.tickets.insert(number, ticket);
        Some(number)
    }

    pub(super) fn close(&self, number: u64) -> Option<Ticket> {
        self.lock().tickets.remove(&number)
    }

    pub(super) fn spawned(&self, number: u64, pid: i32, reins: Option<Reins>) {
        let Some(reins) = reins.map(Arc::new) else {
            return self.refused(number, "it sent no descriptor of the new process".into());
        };
        let mut open = self.lock();
        let wanted = open.tickets.get_mut(&number).is_some_and(|ticket| {
            ticket.reins = Some(Arc::clone(&reins));
            ticket.spawned.take().is_some_and(|sender| sender.send(Ok((pid, Arc::clone(&reins)))).is_ok())
        });
        if !wanted {
            reins.release();
        }
    }

    pub(super) fn refused(&self, number: u64, message: String) {
        if let Some(sender) = self.close(number).and_then(|ticket| ticket.spawned) {
            // Nobody waits any more: fine.
            let _ = sender.send(Err(message));
        }
    }

    pub(super) fn gone(&self, number: u64, gone: Gone) {
        if let Some(ticket) = self.close(number) {
            if let Some(cgroup) = &ticket.held.cgroup {
                cgroup.vacate();
            }
            drop(ticket.held);
            let _ = ticket.gone.send(gone);
        }
    }

    /// The zygote ended: its cells die with it. Ids and groups stay taken until they are dead.
    pub(super) fn lose(&self) {
        let tickets = {
            let mut open = self.lock();
            open.lost = true;
            std::mem::take(&mut open.tickets)
        };
        for ticket in tickets.into_values() {
            let Ticket { reins, held, .. } = ticket;
            let Some(reins) = reins else { continue };
            reins.release();
            tokio::spawn(async move {
                if tokio::time::timeout(ORPHAN_PATIENCE, ended(&reins)).await.is_err() {
                    tracing::error!(uid = held.slot.uid(), "a cell outlives its zygote");
                }
                drop(held);
            });
        }
    }
}

async fn ended(reins: &Reins) {
    if let Ok(watched) = reins.pidfd().try_clone_to_owned().and_then(|pidfd| watch(pidfd, Interest::READABLE)) {
        let _ = watched.readable().await;
    }
}
