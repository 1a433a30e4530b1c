use std::{
    io,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::param::page_size;

/// Tells the process that made it from its forks, without asking the kernel each time: a page that the kernel empties in
/// every fork. Linux 4.14.
#[derive(Debug)]
pub struct Origin(NonNull<AtomicBool>);

// SAFETY: the page is its owner's alone, and an atomic is all that is in it.
unsafe impl Send for Origin {}
// SAFETY: as above.
unsafe impl Sync for Origin {}

impl Origin {
    pub fn here() -> io::Result<Self> {
        const ACCESS: i32 = libc::PROT_READ | libc::PROT_WRITE;
        const KIND: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, where the kernel likes.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), page_size(), ACCESS, KIND, -1, 0) };
        let page = NonNull::new(page).filter(|page| page.as_ptr() != libc::MAP_FAILED);
        let origin = Self(page.ok_or_else(io::Error::last_os_error)?.cast());
        // SAFETY: the mapping of the line above, whole.
        match unsafe { libc::madvise(origin.0.as_ptr().cast(), page_size(), libc::MADV_WIPEONFORK) } {
            0 => {
                origin.mark().store(true, Ordering::Relaxed);
                Ok(origin)
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whether this process made it, and did not inherit it.
    pub fn is_here(&self) -> bool {
        self.mark().load(Ordering::Relaxed)
    }

    fn mark(&self) -> &AtomicBool {
        // SAFETY: mapped for as long as this lives, aligned to a page, and any byte of an empty page is a valid `false`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), page_size()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{CloneFlags, Cloned, clone_process, exit_now, wait_for_pid};

    #[test]
    fn a_fork_is_not_where_it_was_made() {
        let origin = Origin::here().unwrap();
        assert!(origin.is_here());
        // SAFETY: the child loads a byte and ends.
        match unsafe { clone_process(CloneFlags::NONE) }.unwrap() {
            Cloned::Child => exit_now(origin.is_here().into()),
            Cloned::Parent { pid, .. } => assert_eq!(wait_for_pid(pid).unwrap().map(|ended| ended.status), Some(0)),
        }
        assert!(origin.is_here());
    }
}
