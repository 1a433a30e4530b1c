//! Control groups: made, shared by the run and the zygote's ticket, and kept for the next sandbox where that is safe.
//!
//! Making and removing one costs the kernel more than a short execution does. So on cgroup v1 a few are kept, all with the
//! limits of the engine's own policy. A group goes back only when the zygote has said that nothing of its cell is left,
//! and only if nothing remarkable happened in it; before it is used again it is looked at once more and made as good as
//! new. What is not certain is removed.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use codemode_sandbox::cgroup::{Cgroup, CgroupError, CgroupLimits, Driver, Unfit};

static MADE: AtomicU64 = AtomicU64::new(0);

/// As many as a machine of 6 cores uses at a time with a full house. Beyond it they are made and removed each time.
const MOST_KEPT: usize = 32;

/// One engine's control groups. Its folders go with it.
#[derive(Debug)]
pub(crate) struct Groups(Arc<Stock>);

impl Groups {
    /// `usual`: the limits of nearly all groups, of which there are as many as `wanted`, in use or not. They are made now, so
    /// that what there is at rest does not grow. Blocks.
    pub(crate) fn find(usual: CgroupLimits, wanted: usize) -> Result<Self, CgroupError> {
        let driver = Driver::find()?;
        let room = if driver.renews() { wanted.min(MOST_KEPT) } else { 0 };
        let groups = Self(Arc::new(Stock { driver, usual, room, rested: Mutex::default(), making: RwLock::default() }));
        for _ in 0..room {
            let made = groups.0.make(&usual)?;
            groups.0.lock().kept.push_back(made);
        }
        groups.0.lock().alive = room;
        Ok(groups)
    }

    /// One that was used before, as good as new.
    pub(crate) fn reuse(&self, limits: &CgroupLimits) -> Option<SharedCgroup> {
        self.0.take(limits).map(|cgroup| self.share(cgroup))
    }

    /// Blocks.
    pub(crate) fn create(&self, limits: &CgroupLimits) -> Result<SharedCgroup, CgroupError> {
        let made = self.0.make(limits)?;
        if self.0.is_usual(&made) {
            self.0.lock().alive += 1;
        }
        Ok(self.share(made))
    }

    /// Takes away what is left, and keeps nothing from here on. Blocks.
    pub(crate) fn clean(&self) {
        drop(self.0.close());
        self.0.driver.remove_all();
    }

    fn share(&self, cgroup: Cgroup) -> SharedCgroup {
        let owned = Owned { cgroup: Some(cgroup), vacated: AtomicBool::new(false), stock: Arc::clone(&self.0) };
        SharedCgroup { owned: Arc::new(owned), version: self.0.driver.version() }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.clean();
    }
}

/// Groups that nobody is in, all with the usual limits.
#[derive(Debug)]
struct Stock {
    driver: Driver,
    usual: CgroupLimits,
    room: usize,
    rested: Mutex<Rested>,
    /// Held while one is made in advance, so that none is made behind the back of the end.
    making: RwLock<()>,
}

#[derive(Debug, Default)]
struct Rested {
    /// Oldest first, so that each rests as long as it can: the kernel settles some of its accounts late.
    kept: VecDeque<Cgroup>,
    /// Those that are kept and those in use, of the usual limits.
    alive: usize,
    closed: bool,
}

impl Stock {
    fn lock(&self) -> MutexGuard<'_, Rested> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, limits: &CgroupLimits) -> Result<Cgroup, CgroupError> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        self.driver.create(&format!("codemode-{}-{number}", std::process::id()), limits)
    }

    fn take(self: &Arc<Self>, limits: &CgroupLimits) -> Option<Cgroup> {
        if *limits != self.usual {
            return None;
        }
        loop {
            let cgroup = self.lock().kept.pop_front()?;
            match cgroup.renew() {
                Ok(()) => return Some(cgroup),
                Err(reason) => self.replace(cgroup, reason),
            }
        }
    }

    fn is_usual(&self, cgroup: &Cgroup) -> bool {
        *cgroup.limits() == self.usual
    }

    fn put(self: &Arc<Self>, cgroup: Cgroup) {
        if !self.is_usual(&cgroup) {
            return self.dismiss(cgroup);
        }
        match cgroup.check() {
            Ok(()) => self.keep(cgroup),
            Err(reason) => self.replace(cgroup, reason),
        }
    }

    fn keep(&self, cgroup: Cgroup) {
        let mut rested = self.lock();
        if rested.has_room(self.room) {
            return rested.kept.push_back(cgroup);
        }
        drop(rested);
        self.dismiss(cgroup);
    }

    /// A fresh one instead of it.
    fn replace(self: &Arc<Self>, cgroup: Cgroup, reason: Unfit) {
        tracing::debug!(%reason, "a control group is not used again");
        if !self.lock().has_room(self.room) {
            return self.dismiss(cgroup);
        }
        let stock = Arc::clone(self);
        behind(move || {
            drop(cgroup);
            let _making = stock.making.read().unwrap_or_else(PoisonError::into_inner);
            if stock.lock().closed {
                return;
            }
            match stock.make(&stock.usual) {
                Ok(fresh) => stock.keep(fresh),
                Err(error) => {
                    stock.lock().alive -= 1;
                    tracing::warn!(%error, "no control group in advance");
                }
            }
        });
    }

    fn dismiss(&self, cgroup: Cgroup) {
        if self.is_usual(&cgroup) {
            self.lock().alive -= 1;
        }
        behind(move || drop(cgroup));
    }

    fn close(&self) -> VecDeque<Cgroup> {
        let kept = {
            let mut rested = self.lock();
            rested.closed = true;
            std::mem::take(&mut rested.kept)
        };
        // Whoever is making one now keeps it out of here; whoever is late sees that this is the end.
        drop(self.making.write());
        kept
    }
}

impl Rested {
    /// For one that is alive already.
    fn has_room(&self, room: usize) -> bool {
        !self.closed && self.alive <= room
    }
}

/// Making and removing folders blocks, the latter perhaps again and again: not on a thread that serves others.
fn behind(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// It is free when everybody is done with it.
#[derive(Clone, Debug)]
pub(crate) struct SharedCgroup {
    owned: Arc<Owned>,
    version: &'static str,
}

#[derive(Debug)]
struct Owned {
    cgroup: Option<Cgroup>,
    vacated: AtomicBool,
    stock: Arc<Stock>,
}

impl SharedCgroup {
    /// What reports call it.
    pub(crate) fn layer(&self) -> String {
        format!("cgroup {} (memory, pids, cpu)", self.version)
    }

    /// `None` only while the group is being dropped.
    pub(crate) fn get(&self) -> Option<&Cgroup> {
        self.owned.cgroup.as_ref()
    }

    /// Nothing of the cell is left that could be in it, or could still join. Unsaid, it is not used again.
    pub(crate) fn vacate(&self) {
        self.owned.vacated.store(true, Ordering::Relaxed);
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let Some(cgroup) = self.cgroup.take() else { return };
        match *self.vacated.get_mut() {
            true => self.stock.put(cgroup),
            false => self.stock.dismiss(cgroup),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::Write,
        process::{Child, Command},
    };

    use super::*;

    const USUAL: CgroupLimits = CgroupLimits { memory_bytes: 64 << 20, processes: 4, cpus: 1.0 };

    /// `None` where groups cannot be made, or are not kept.
    fn groups(kept: usize) -> Option<Groups> {
        Groups::find(USUAL, kept).ok().filter(|groups| groups.0.room > 0)
    }

    fn member(group: &SharedCgroup) -> Child {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        for folder in group.get().unwrap().members() {
            let mut folder = File::from(folder.try_clone_to_owned().unwrap());
            folder.write_all(child.id().to_string().as_bytes()).unwrap();
        }
        child
    }

    fn end(child: &mut Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn only_a_group_that_is_known_to_be_left_is_used_again() {
        let Some(groups) = groups(1) else { return };
        let first = groups.reuse(&USUAL).unwrap();
        assert!(groups.reuse(&USUAL).is_none(), "one was kept");
        first.vacate();
        drop(first);
        let again = groups.reuse(&USUAL).unwrap();
        drop(again);
        assert!(groups.reuse(&USUAL).is_none(), "nobody said that it was left");
    }

    #[test]
    fn a_group_of_other_limits_is_made_for_its_sandbox_alone() {
        let Some(groups) = groups(1) else { return };
        let other = CgroupLimits { memory_bytes: 32 << 20, ..USUAL };
        assert!(groups.reuse(&other).is_none());
        drop(groups.reuse(&USUAL));
        let made = groups.create(&other).unwrap();
        made.vacate();
        drop(made);
        assert!(groups.reuse(&USUAL).is_none() && groups.reuse(&other).is_none());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let Some(groups) = groups(2) else { return };
        let kept = [groups.reuse(&USUAL).unwrap(), groups.reuse(&USUAL).unwrap()];
        let more = [groups.create(&USUAL).unwrap(), groups.create(&USUAL).unwrap()];
        kept.iter().chain(&more).for_each(SharedCgroup::vacate);
        drop((more, kept));
        let again = [groups.reuse(&USUAL), groups.reuse(&USUAL), groups.reuse(&USUAL)];
        assert_eq!(again.map(|group| group.is_some()), [true, true, false]);
    }

    #[test]
    fn one_that_somebody_is_left_in_is_replaced() {
        let Some(groups) = groups(1) else { return };
        let group = groups.reuse(&USUAL).unwrap();
        let mut child = member(&group);
        group.vacate();
        drop(group);
        let fresh = groups.reuse(&USUAL).unwrap();
        assert_eq!(fresh.get().unwrap().check(), Ok(()), "that one is another");
        end(&mut child);
    }

    #[test]
    fn after_the_end_none_is_kept() {
        let Some(groups) = groups(2) else { return };
        let used = groups.reuse(&USUAL).unwrap();
        let mut child = member(&used);
        groups.clean();
        end(&mut child);
        used.vacate();
        drop(used);
        assert!(groups.reuse(&USUAL).is_none());
    }
}
