//! User ids of live sandboxes: unique on the machine while the sandbox lives.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use codemode_sandbox::container::FIRST_USER;

/// Also the most sandboxes, parked and running, that one process can hold.
pub(crate) const SLOTS: u16 = 256;
/// The kernel's largest pid_max.
const PIDS: u32 = 4_194_304;

/// The pid where it is the machine's; in a container, where many a daemon is process 7 and the kernel counts processes
/// by user id across containers, a random number.
fn number_of_this_process() -> u32 {
    const INITIAL: &str = "pid:[4026531836]";
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(namespace) if namespace.as_os_str() == INITIAL => std::process::id(),
        _ => RandomState::new().hash_one(()) as u32,
    }
}

#[derive(Debug)]
pub(crate) struct UidSlots {
    base: u32,
    /// Oldest first, so that an id rests as long as it can.
    free: Mutex<VecDeque<u16>>,
}

/// One id, taken until dropped. It belongs to the zygote's ticket: it is free when nothing of its sandbox is left.
#[derive(Debug)]
pub(crate) struct UidSlot {
    slots: Arc<UidSlots>,
    number: u16,
}

impl UidSlots {
    /// The ids of this process, which all its engines share.
    pub(crate) fn of_this_process() -> Arc<Self> {
        static OURS: LazyLock<Arc<UidSlots>> = LazyLock::new(|| UidSlots::new(number_of_this_process()));
        Arc::clone(&OURS)
    }

    fn new(daemon: u32) -> Arc<Self> {
        let base = FIRST_USER + (daemon % PIDS) * u32::from(SLOTS);
        Arc::new(Self { base, free: Mutex::new((0..SLOTS).collect()) })
    }

    pub(crate) fn take(self: &Arc<Self>) -> Option<UidSlot> {
        let number = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        Some(UidSlot { slots: Arc::clone(self), number })
    }
}

impl UidSlot {
    pub(crate) fn uid(&self) -> u32 {
        self.slots.base + u32::from(self.number)
    }
}

impl Drop for UidSlot {
    fn drop(&mut self) {
        self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_while_held_and_come_back_oldest_first() {
        let slots = UidSlots::new(7);
        let held: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        let uids: HashSet<_> = held.iter().map(UidSlot::uid).collect();
        assert_eq!(uids.len(), usize::from(SLOTS));
        assert!(slots.take().is_none());
        drop(held);
        assert_eq!(slots.take().map(|slot| slot.uid()), Some(FIRST_USER + 7 * 256));
    }

    #[test]
    fn two_daemons_never_share_an_id_and_none_overflows() {
        assert_eq!(UidSlots::new(1).base + 255, UidSlots::new(2).base - 1);
        assert!(u64::from(UidSlots::new(PIDS - 1).base) + 255 < u64::from(u32::MAX));
    }
}
