//! The live end of a zygote: orders go out, what became of each comes back by ticket.

mod keeper;
mod process;
mod reins;
mod tickets;

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use codemode_wire::{
    DecodeError,
    cell::Used,
    zygote::{FromZygote, PACKET_BYTES, Spawn, ToZygote},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::tickets::{Ticket, Tickets};
pub(crate) use self::{
    keeper::{Keeper, Launch},
    reins::Reins,
    tickets::Held,
};
use crate::{StartError, escape::escaped, self_test::Removed, socket::PacketSocket};

/// Nothing of the cell runs any more: its init was reaped, or says so and reaped everybody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) cpu: Duration,
    pub(crate) peak_memory_bytes: u64,
}

impl From<Used> for Gone {
    fn from(used: Used) -> Self {
        Self { cpu: Duration::from_micros(used.cpu_micros), peak_memory_bytes: used.peak_memory_bytes }
    }
}

#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: i32,
    pub(crate) reins: Arc<Reins>,
    /// An error: the zygote ended first, and every cell with it.
    pub(crate) gone: oneshot::Receiver<Gone>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("the zygote ended")]
    Lost,
    #[error("the order did not reach the zygote: {0}")]
    Send(#[source] io::Error),
    #[error("the zygote could not fork: {0}")]
    Refused(String),
    #[error("no zygote started: {0}")]
    NotStarted(#[source] Box<StartError>),
}

#[derive(Debug)]
pub(crate) struct Zygote {
    socket: PacketSocket,
    tickets: Tickets,
    lost: CancellationToken,
    /// Walls that its library was built without.
    pub(crate) removed: Removed,
    /// Memory of its own, before its first cell.
    memory_bytes: u64,
}

impl Zygote {
    /// Starts reading what a zygote that said `Ready` says next.
    fn attend(socket: PacketSocket, removed: Removed, memory_bytes: u64) -> Arc<Self> {
        let (tickets, lost) = (Tickets::default(), CancellationToken::new());
        let zygote = Arc::new(Self { socket, tickets, lost, removed, memory_bytes });
        tokio::spawn(Arc::clone(&zygote).dispatch());
        zygote
    }

    /// `held` is let go when nothing of the cell is left. `descriptors` as [`Spawn`] documents them.
    pub(crate) async fn spawn(
        &self,
        mut order: Spawn,
        held: Held,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Spawned, OrderError> {
        let (spawned_sender, spawned) = oneshot::channel();
        let (gone_sender, gone) = oneshot::channel();
        let ticket = Ticket::new(spawned_sender, gone_sender, held);
        order.ticket = self.tickets.open(ticket).ok_or(OrderError::Lost)?;
        let number = order.ticket;
        let message = ToZygote::Spawn(Box::new(order)).encode();
        if let Err(error) = self.socket.send(&message, descriptors).await {
            self.tickets.close(number);
            return Err(match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => OrderError::Lost,
                _ => OrderError::Send(error),
            });
        }
        let (pid, reins) = spawned.await.map_err(|_| OrderError::Lost)?.map_err(OrderError::Refused)?;
        Ok(Spawned { pid, reins, gone })
    }

    /// Resolves when it is known that the zygote is no more.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Tells the zygote to end: it kills its cells and exits.
    fn dismiss(&self) {
        self.socket.close_sending();
    }

    async fn dispatch(self: Arc<Self>) {
        let mut buffer = vec![0; PACKET_BYTES];
        loop {
            match self.socket.receive(&mut buffer).await {
                Ok((0, _)) => break,
                Ok((length, descriptors)) => {
                    if let Err(error) = self.take(&buffer[..length], descriptors) {
                        tracing::error!(%error, "the zygote says what this executor does not understand");
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the zygote cannot be heard");
                    break;
                }
            }
        }
        self.tickets.lose();
        self.lost.cancel();
    }

    fn take(&self, packet: &[u8], descriptors: Vec<OwnedFd>) -> Result<(), DecodeError> {
        match FromZygote::decode(packet)? {
            FromZygote::Spawned { ticket, pid } => self.tickets.spawned(ticket, pid, Reins::from_packet(descriptors)),
            FromZygote::SpawnFailed { ticket, message } => self.tickets.refused(ticket, message),
            FromZygote::Gone { ticket, cpu_micros, peak_memory_bytes } => {
                self.tickets.gone(ticket, Used { cpu_micros, peak_memory_bytes }.into());
            }
            FromZygote::Failed { step, message } => {
                tracing::error!(step = %escaped(&step), message = %escaped(&message), "the zygote failed");
            }
            FromZygote::Ready { .. } => tracing::warn!("the zygote said it is ready for a second time"),
        }
        Ok(())
    }
}
