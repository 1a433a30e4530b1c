//! Who holds a connection. Until a caller has proved who it is, its connection is a stranger's: it has little time, and
//! strangers have few places of their own, so that they can never take those of callers who are known.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use codemode_types::{ErrorCode, Rejection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How callers are received.
#[derive(Clone, Copy, Debug)]
pub struct Reception {
    /// How long a stranger may take until its first request that needs no key or has one, the TLS handshake included.
    pub patience: Duration,
    /// Places of strangers, and so also the most handshakes at once. Where there is none, one has to go: the first of
    /// those from where most have come.
    pub strangers: usize,
    /// Places of callers who are known. Connections are cheap, but each takes a descriptor.
    pub known: usize,
}

impl Default for Reception {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), strangers: 128, known: 1024 }
    }
}

/// The places of one server, whichever listener a caller came by.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    reception: Reception,
    known: Arc<Semaphore>,
    /// In the order they came.
    strangers: Mutex<VecDeque<Arc<Stranger>>>,
}

#[derive(Debug)]
struct Stranger {
    from: Source,
    out: CancellationToken,
    /// It asked for something that needs no key, such as a probe that watches the executor's health.
    spoke: AtomicBool,
    /// What it asks for at the same time.
    asking: Arc<Semaphore>,
}

/// Requests without a key that one stranger may have open. Each holds its header fields, which add up.
const ASKING: usize = 8;

/// Whoever has one address of an IPv6 network of 64 bits has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    ThisMachine,
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// One connection's place. Requests on it carry a clone, so that the guard can say who it is.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    shared: Arc<Shared>,
    stranger: Arc<Stranger>,
    place: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

/// Gives the place back when the connection ends, whatever still holds the caller.
#[derive(Debug)]
pub(crate) struct Visit(Caller);

impl Places {
    pub(crate) fn new(reception: Reception) -> Self {
        let known = Arc::new(Semaphore::new(reception.known));
        Self(Arc::new(Shared { reception, known, strangers: Mutex::default() }))
    }

    pub(crate) fn receive(&self, from: Source) -> Visit {
        let stranger = Arc::new(Stranger {
            from,
            out: CancellationToken::new(),
            spoke: AtomicBool::new(false),
            asking: Arc::new(Semaphore::new(ASKING)),
        });
        let mut strangers = lock(&self.0.strangers);
        strangers.push_back(Arc::clone(&stranger));
        if strangers.len() > self.0.reception.strangers
            && let Some(one) = most_crowded(&strangers).and_then(|index| strangers.remove(index))
        {
            tracing::debug!("too many callers without a key; one of them was cut");
            one.out.cancel();
        }
        drop(strangers);
        Visit(Caller { shared: Arc::clone(&self.0), stranger, place: Arc::default() })
    }
}

/// The first of those who come from where most do, so that one address cannot push out another's callers.
fn most_crowded(strangers: &VecDeque<Arc<Stranger>>) -> Option<usize> {
    let mut counts: HashMap<Source, usize> = HashMap::new();
    for stranger in strangers {
        *counts.entry(stranger.from).or_default() += 1;
    }
    let most = counts.values().max()?;
    strangers.iter().position(|stranger| counts.get(&stranger.from) == Some(most))
}

impl Visit {
    pub(crate) fn caller(&self) -> &Caller {
        &self.0
    }

    /// Resolves when a stranger has to go: for another one, or because it said nothing for too long.
    pub(crate) async fn over(&self) {
        let Caller { shared, stranger, .. } = &self.0;
        tokio::select! {
            () = stranger.out.cancelled() => {}
            () = sleep(shared.reception.patience) => if self.0.is_known() || stranger.spoke.load(Ordering::Relaxed) {
                stranger.out.cancelled().await;
            }
        }
        // It may have said who it is in the moment when it was to go.
        if self.0.is_known() {
            pending::<()>().await;
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.forget();
        lock(&self.0.place).take();
    }
}

impl Caller {
    /// It asks for something that needs no key: it may stay, as long as there are places for strangers. What is
    /// returned is held until it has its answer.
    pub(crate) fn ask(&self) -> Result<Option<OwnedSemaphorePermit>, Rejection> {
        self.stranger.spoke.store(true, Ordering::Relaxed);
        if self.is_known() {
            return Ok(None);
        }
        let asking = Arc::clone(&self.stranger.asking).try_acquire_owned();
        asking.map(Some).map_err(|_| {
            let message = format!("{ASKING} requests without an API key are open on this connection; end one of them");
            Rejection::new(ErrorCode::Overloaded, message)
        })
    }

    /// It is known from now on, or there is no place for it.
    pub(crate) fn introduce(&self) -> Result<(), Rejection> {
        let mut place = lock(&self.place);
        if place.is_none() {
            let free = Arc::clone(&self.shared.known).try_acquire_owned();
            *place = Some(free.map_err(|_| crowded(self.shared.reception.known))?);
            drop(place);
            self.forget();
        }
        Ok(())
    }

    fn is_known(&self) -> bool {
        lock(&self.place).is_some()
    }

    fn forget(&self) {
        lock(&self.shared.strangers).retain(|stranger| !Arc::ptr_eq(stranger, &self.stranger));
    }
}

fn crowded(most: usize) -> Rejection {
    tracing::warn!(limit = most, "too many connections; a caller was refused");
    let message = format!("{most} connections are open, which is all this executor takes; nothing ran");
    Rejection::new(ErrorCode::Overloaded, message)
}

/// Both hold a whole value at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
