use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use codemode_wire::cell::Used;

/// Namespace flags of clone(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloneFlags(pub i32);

impl CloneFlags {
    pub const NONE: Self = Self(0);
    pub const USER: Self = Self(libc::CLONE_NEWUSER);
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS);
    /// Everything a cell has of its own but the user namespace.
    pub const CELL: Self =
        Self(libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS);

    pub const NETWORK: Self = Self(libc::CLONE_NEWNET);

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

#[derive(Debug)]
pub enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

#[derive(Clone, Copy, Debug)]
pub struct Reaped {
    pub pid: i32,
    pub status: i32,
    pub cpu_micros: u64,
    pub peak_memory_bytes: u64,
}

impl Reaped {
    pub fn add_to(&self, used: &mut Used) {
        used.cpu_micros = used.cpu_micros.saturating_add(self.cpu_micros);
        used.peak_memory_bytes = used.peak_memory_bytes.max(self.peak_memory_bytes);
    }
}

/// clone(2) without a shared address space: a fork into new namespaces.
///
/// # Safety
/// The caller runs one thread, or the child makes nothing but async-signal-safe calls until it ends. The C library does
/// not know of this fork: the child must not use its thread machinery before it has forked once more by
/// [`fork_process`].
pub unsafe fn clone_process(flags: CloneFlags) -> io::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    let flags = flags.0 | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: no stack is given, so the child continues on a copy of this one; `pidfd` outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) };
    match pid {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel has just stored a new descriptor that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: pid as i32, pidfd })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// dup2 or dup3: `source` also as descriptor `target`, whatever was there before. The caller owns the result; for stdio
/// it is to be forgotten.
pub fn place_descriptor(source: BorrowedFd<'_>, target: i32, close_on_exec: bool) -> io::Result<OwnedFd> {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: dup3 touches no memory.
    if unsafe { libc::dup3(source.as_raw_fd(), target, flags) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made `target` a descriptor of its own.
    Ok(unsafe { OwnedFd::from_raw_fd(target) })
}

/// Takes over a descriptor that this process was started with: moved away, with /dev/null in its place, close-on-exec.
pub fn take_descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is only borrowed, for the one call; if it is not open the call says so.
    let given = unsafe { BorrowedFd::borrow_raw(number) };
    let taken = rustix::io::fcntl_dupfd_cloexec(given, 3)?;
    let null = std::fs::File::open("/dev/null")?;
    std::mem::forget(place_descriptor(std::os::fd::AsFd::as_fd(&null), number, false)?);
    Ok(taken)
}

/// close_range(2): every descriptor from `first` on. Owners of such descriptors must be forgotten, not dropped.
pub fn close_from(first: i32) -> io::Result<()> {
    // SAFETY: the call touches no memory; that no owner is left is the caller's word above.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes every descriptor above stdio but these.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = kept.iter().filter_map(|descriptor| u32::try_from(descriptor.as_raw_fd()).ok()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for next in kept.into_iter().chain([u32::MAX]) {
        if first < next {
            // SAFETY: the call touches no memory; owners of what it closes are the caller's to forget.
            if unsafe { libc::syscall(libc::SYS_close_range, first, next - 1, 0) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        first = next.saturating_add(1).max(first);
    }
    Ok(())
}

/// SIGCHLD as a process has it that nobody prepared: children wait to be reaped.
pub fn heed_children() {
    // SAFETY: SIG_DFL is a valid disposition of SIGCHLD.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Signals as a process has them that nobody prepared, but for those that the interpreter has set for itself: what the
/// daemon's parent blocked or ignored is not the code's business.
pub fn default_signals(kept: &[i32]) {
    // SAFETY: the set is initialised by the first call before the second reads it.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
    for signal in 1..=libc::SIGRTMAX() {
        if !kept.contains(&signal) {
            // SAFETY: SIG_DFL is valid for every signal; the kernel and the C library refuse those not ours to set.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// unshare(2) of namespaces only. The caller runs one thread if a user namespace is among them (the kernel checks).
pub fn unshare_namespaces(flags: CloneFlags) -> io::Result<()> {
    // SAFETY: only namespace flags are set, so no memory or descriptor table changes hands.
    let status = unsafe { libc::unshare(flags.0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The newest Landlock ABI of this kernel; 0: none.
pub fn landlock_abi() -> i32 {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the kernel reads no memory and answers with a number.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, CREATE_RULESET_VERSION)
    };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// Whether the kernel knows a seccomp action.
pub fn seccomp_action_available(action: u32) -> bool {
    // SAFETY: `action` outlives the call; the kernel reads four bytes.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

/// fork(2) through the C library. `None` in the child.
///
/// # Safety
/// The caller runs one thread.
pub unsafe fn fork_process() -> io::Result<Option<i32>> {
    // SAFETY: by the contract above no other thread can hold a lock that the child would need.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without running exit handlers, destructors or flushing: what a forked child must use.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// SIGKILL to every process that this one may signal, but for itself. The kernel does not say whether it reached any.
///
/// With a real user id of 0 that would be the machine: refused.
pub fn kill_everyone() -> io::Result<()> {
    if rustix::process::getuid().is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "root must not kill everyone"));
    }
    // SAFETY: kill touches no memory.
    match unsafe { libc::kill(-1, libc::SIGKILL) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

/// A descriptor that is readable when a child has ended. SIGCHLD is blocked from then on.
pub fn child_ends() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by the first call before the others read it; a new descriptor is nobody else's.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) == -1 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// Waits for any child. `None`: there is none left.
pub fn wait_for_any() -> io::Result<Option<Reaped>> {
    wait(-1, 0)
}

/// Takes any child that has ended. `None`: there is none.
pub fn reap_any() -> io::Result<Option<Reaped>> {
    wait(-1, libc::WNOHANG)
}

/// Whether there is any child, alive or to be reaped. There is none only if the kernel says so.
pub fn has_children() -> bool {
    // SAFETY: an all-zero siginfo is a valid value, and outlives the call.
    let status = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    status == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ECHILD)
}

/// Waits for one child.
pub fn wait_for_pid(pid: i32) -> io::Result<Option<Reaped>> {
    wait(pid, 0)
}

fn wait(pid: i32, options: libc::c_int) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: an all-zero rusage is a valid value of that plain structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live locals of the right types.
        let pid = unsafe { libc::wait4(pid, &raw mut status, options, &raw mut usage) };
        if pid > 0 {
            let micros = |time: libc::timeval| {
                u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
            };
            return Ok(Some(Reaped {
                pid,
                status,
                cpu_micros: micros(usage.ru_utime) + micros(usage.ru_stime),
                peak_memory_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
            }));
        }
        if pid == 0 {
            return Ok(None);
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// PR_SET_MDWE: from now on no memory of this process or its children becomes executable that was not mapped so from a
/// file. Linux 6.3.
pub fn refuse_executable_memory() -> io::Result<()> {
    const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: this prctl takes integers only.
    let status = unsafe { libc::prctl(libc::PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether [`refuse_executable_memory`] holds; `None`: the kernel does not know it.
pub fn executable_memory_refused() -> Option<bool> {
    // SAFETY: this prctl takes integers only.
    match unsafe { libc::prctl(libc::PR_GET_MDWE, 0, 0, 0, 0) } {
        -1 => None,
        bits => Some(bits & 1 == 1),
    }
}
