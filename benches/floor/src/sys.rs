//! The system calls, each ending the process where it fails: a floor with a hole in it is none.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::PAGE;

/// Dies with the call's name where the kernel refused it.
pub(crate) fn done(name: &str, result: libc::c_long) -> libc::c_long {
    if result < 0 {
        eprintln!("codemode-floor: {name}: {}", io::Error::last_os_error());
        exit(1)
    }
    result
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Nanoseconds of a clock that all processes share.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the call.
    done("clock_gettime", unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) }.into());
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Times that one process writes and another reads. Lives as long as the program.
#[derive(Clone, Copy)]
pub(crate) struct Times(&'static [AtomicU64; 16]);

impl Times {
    pub(crate) fn new() -> Self {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let memory = unsafe { libc::mmap(ptr::null_mut(), PAGE, protection, flags, -1, 0) };
        done("mmap", if memory == libc::MAP_FAILED { -1 } else { 0 });
        // SAFETY: the mapping is zeroed, aligned, large enough, and never unmapped.
        Self(unsafe { &*memory.cast() })
    }

    pub(crate) fn mark(self, slot: usize) {
        self.0[slot].store(now(), Ordering::SeqCst);
    }

    pub(crate) fn between(self, from: usize, to: usize) -> u64 {
        let at = |slot: usize| self.0[slot].load(Ordering::SeqCst);
        at(to).saturating_sub(at(from))
    }
}

/// Two ends of a Unix socket that keeps messages apart.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()) };
    done("socketpair", made.into());
    // SAFETY: the kernel has just made both, for nobody else.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}

pub(crate) fn send(socket: &OwnedFd) {
    let message = [7_u8; 96];
    // SAFETY: the buffer is valid for its length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), libc::MSG_NOSIGNAL) };
    done("send", sent as libc::c_long);
}

/// Whether there was a message; otherwise the other end is gone.
pub(crate) fn receive(socket: &OwnedFd) -> bool {
    let mut message = [0_u8; 96];
    // SAFETY: the buffer is valid for its length.
    let got = unsafe { libc::recv(socket.as_raw_fd(), message.as_mut_ptr().cast(), message.len(), 0) };
    done("recv", got as libc::c_long) > 0
}

/// The child's pid, or nothing in the child. `namespaces`: of its own.
pub(crate) fn fork(namespaces: i32) -> Option<i32> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: this program has one thread, so a child may do what it likes.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match done("clone", child) {
        0 => None,
        pid => Some(pid as i32),
    }
}

pub(crate) fn reap(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    done("waitpid", unsafe { libc::waitpid(pid, &mut status, 0) }.into());
    if status != 0 {
        eprintln!("codemode-floor: a child ended with status {status}");
        exit(1)
    }
}

/// Memory that is really there, as an interpreter's is.
pub(crate) fn resident(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0; bytes];
    touch(&mut memory, 0, bytes / PAGE);
    memory
}

/// Writes to `count` pages from page `first` on: in a child the kernel copies each.
pub(crate) fn touch(memory: &mut [u8], first: usize, count: usize) {
    for page in first..first + count {
        // SAFETY: an element of the slice; volatile, so that the compiler keeps it.
        unsafe { ptr::write_volatile(&mut memory[page * PAGE], 1) };
    }
}

/// The same for `count` pages from the first on, before anybody writes to them: one call.
pub(crate) fn copy(memory: &mut [u8], count: usize) {
    let first = memory.as_mut_ptr().map_addr(|address| address & !(PAGE - 1));
    // SAFETY: mapped, as far as the slice reaches; this advice changes nothing that is in memory.
    done("madvise", unsafe { libc::madvise(first.cast(), count * PAGE, libc::MADV_POPULATE_WRITE) }.into());
}

pub(crate) fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) {
    // SAFETY: C strings; no data.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, ptr::null()) };
    done("mount", result.into());
}
