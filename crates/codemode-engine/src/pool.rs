//! Sandboxes parked ready for the engine's own policy, refilled behind the answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    sandbox::{Sandbox, SpawnError, Spawner, Urgency},
    shape::Shape,
};

/// A refill waits this long for the answer that it would slow down.
const BEHIND: Duration = Duration::from_millis(10);
/// A pool that grew for a burst goes back by one sandbox per this long without a miss.
const CALM: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Pool {
    spawner: Spawner,
    shape: Shape,
    size: Size,
    stock: Mutex<Stock>,
    /// Told to sandboxes in the making.
    wanted: Notify,
    closed: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// Sandboxes made at the same time.
    pub(crate) hands: usize,
}

type Waiter = oneshot::Sender<Result<Sandbox, SpawnError>>;

#[derive(Debug)]
struct Stock {
    parked: VecDeque<Sandbox>,
    /// Requests that found nothing parked.
    waiters: VecDeque<Waiter>,
    spawning: usize,
    target: usize,
    missed: Instant,
}

impl Pool {
    /// `first`: the sandbox that showed at start that sandboxes can be made.
    pub(crate) fn new(spawner: Spawner, shape: Shape, size: Size, first: Sandbox) -> Arc<Self> {
        let stock = Stock {
            parked: VecDeque::from([first]),
            waiters: VecDeque::new(),
            spawning: 0,
            target: size.least,
            missed: Instant::now(),
        };
        let pool = Arc::new(Self {
            spawner,
            shape,
            size,
            stock: Mutex::new(stock),
            wanted: Notify::new(),
            closed: CancellationToken::new(),
        });
        tokio::spawn(shrink(Arc::downgrade(&pool), pool.closed.clone()));
        pool
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// A parked sandbox; where none is parked, the next one that is ready; for another shape, one made for it.
    pub(crate) async fn take(self: &Arc<Self>, asked: &Shape) -> Result<Sandbox, SpawnError> {
        if !self.shape.serves(asked) {
            return self.spawner.spawn(asked, Urgency::Wanted).await;
        }
        let waiter = {
            let mut stock = self.lock();
            match stock.pop() {
                Some(sandbox) => {
                    drop(stock);
                    self.refill_later();
                    return Ok(sandbox);
                }
                None => stock.wait(self.size.most),
            }
        };
        self.wanted.notify_waiters();
        self.refill();
        waiter.await.unwrap_or(Err(SpawnError::Ended))
    }

    /// Starts what is missing.
    pub(crate) fn refill(self: &Arc<Self>) {
        let mut stock = self.lock();
        while !self.closed.is_cancelled() && stock.spawning < self.size.hands && stock.lacks() {
            let is_spare = stock.spawning >= stock.waiters.len();
            stock.spawning += 1;
            tokio::spawn(Arc::clone(self).make(is_spare));
        }
    }

    /// Kills what is parked and makes nothing more.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        let mut stock = self.lock();
        let parked = std::mem::take(&mut stock.parked);
        stock.waiters.clear();
        drop(stock);
        drop(parked);
    }

    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refill_later(self: &Arc<Self>) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(BEHIND).await;
            pool.refill();
        });
    }

    async fn make(self: Arc<Self>, is_spare: bool) {
        let urgency = if is_spare { Urgency::Spare(&self.wanted) } else { Urgency::Wanted };
        let made = tokio::select! {
            () = self.closed.cancelled() => return,
            made = self.spawner.spawn(&self.shape, urgency) => made,
        };
        let failed = made.is_err();
        self.lock().put(made);
        if failed && !self.closed.is_cancelled() {
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        self.refill();
    }
}

impl Stock {
    /// One that is still alive. The newest: most of its memory is in the processor's caches still.
    fn pop(&mut self) -> Option<Sandbox> {
        while let Some(mut sandbox) = self.parked.pop_back() {
            if sandbox.life.check().is_ok() {
                return Some(sandbox);
            }
        }
        None
    }

    /// A miss: the next sandbox is for this request, and the pool is to be larger.
    fn wait(&mut self, most: usize) -> oneshot::Receiver<Result<Sandbox, SpawnError>> {
        self.target = (self.target + 1).min(most);
        self.missed = Instant::now();
        let (sender, receiver) = oneshot::channel();
        self.waiters.push_back(sender);
        receiver
    }

    fn lacks(&mut self) -> bool {
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.parked.len() + self.spawning < self.target + self.waiters.len()
    }

    fn put(&mut self, made: Result<Sandbox, SpawnError>) {
        self.spawning -= 1;
        let mut made = match made {
            Ok(sandbox) => Ok(sandbox),
            Err(error) => {
                tracing::error!(%error, "no sandbox");
                Err(error)
            }
        };
        while let Some(waiter) = self.waiters.pop_front() {
            match waiter.send(made) {
                Ok(()) => return,
                Err(back) => made = back,
            }
        }
        if let Ok(sandbox) = made {
            self.parked.push_back(sandbox);
        }
    }
}

/// Lets go of what a burst left parked.
async fn shrink(pool: std::sync::Weak<Pool>, closed: CancellationToken) {
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            () = tokio::time::sleep(CALM) => {}
        }
        let Some(pool) = pool.upgrade() else { return };
        let spare = {
            let mut stock = pool.lock();
            if stock.missed.elapsed() >= CALM {
                stock.target = stock.target.saturating_sub(1).max(pool.size.least);
            }
            if stock.parked.len() > stock.target { stock.parked.pop_front() } else { None }
        };
        drop(spare);
    }
}
