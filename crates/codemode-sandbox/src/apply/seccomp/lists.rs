//! The calls that executed code may make, in small named lists with a reason each. Everything else is refused.

use super::{FilterOptions, sockets};

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) number: u32,
    pub(super) when: When,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Allow,
    /// Waits until the supervisor has seen it, which always lets it go on.
    Observe,
    /// ENOSYS: the C library has an older way.
    Missing,
    /// EOPNOTSUPP: programs take it for a file system without the feature.
    Unsupported,
    /// EAFNOSUPPORT: programs take it for a machine without that protocol and use another.
    NoFamily,
    /// ENOPROTOOPT: programs take it for a kernel without the option.
    NoOption,
    /// EPERM, as for everything that is not listed.
    Refuse,
}

#[derive(Clone, Debug)]
pub(super) enum When {
    Always,
    /// Every condition holds.
    All(Vec<Condition>),
    /// The first whose conditions all hold, and its own verdict; if none, the rule's.
    First(Vec<(Vec<Condition>, Verdict)>),
}

/// `argument & mask` is one of `values`.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) mask: u32,
    pub(super) values: Vec<u32>,
}

/// Files and directories: which of them is Landlock's and the mount namespace's business.
const FILES: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_umask,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    // cp and shutil copy with these; splice, vmsplice and tee stay out: page-cache attacks were built on them.
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
];

/// The same by the older numbers that x86_64 programs still use.
#[cfg(target_arch = "x86_64")]
const FILES_LEGACY: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_getdents,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_dup2,
    libc::SYS_pipe,
];
#[cfg(not(target_arch = "x86_64"))]
const FILES_LEGACY: &[libc::c_long] = &[];

/// Memory of one's own. Executable memory is PR_SET_MDWE's business.
const MEMORY: &[libc::c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    libc::SYS_membarrier,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    // numerical libraries ask where their memory lies
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    libc::SYS_mbind,
];

/// Waiting, in every form.
const WAITING: &[libc::c_long] = &[
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_restart_syscall,
];
#[cfg(target_arch = "x86_64")]
const WAITING_LEGACY: &[libc::c_long] = &[
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_signalfd,
    libc::SYS_pause,
    libc::SYS_alarm,
];
#[cfg(not(target_arch = "x86_64"))]
const WAITING_LEGACY: &[libc::c_long] = &[];

/// Reading clocks and arming one's own timers; setting a clock stays out.
const CLOCKS: &[libc::c_long] = &[
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_times,
];
#[cfg(target_arch = "x86_64")]
const CLOCKS_LEGACY: &[libc::c_long] = &[libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const CLOCKS_LEGACY: &[libc::c_long] = &[];

/// Processes and threads of the same execution: others do not exist in its pid namespace.
const PROCESSES: &[libc::c_long] = &[
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_setpgid,
    libc::SYS_getsid,
    libc::SYS_setsid,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_getpriority,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    // asyncio waits for children with these; pidfd_getfd stays out
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
];
#[cfg(target_arch = "x86_64")]
const PROCESSES_LEGACY: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const PROCESSES_LEGACY: &[libc::c_long] = &[libc::SYS_getrlimit, libc::SYS_setrlimit];

/// Who one is. Changing it needs capabilities that nobody here has; programs call these to no effect.
const IDENTITY: &[libc::c_long] = &[
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

/// What is done with a socket once it exists; which exist is decided in `sockets`.
const SOCKETS: &[libc::c_long] = &[
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
];

/// tail -f and watchers; what can be watched is what can be read.
const INOTIFY: &[libc::c_long] = &[
    libc::SYS_inotify_init1,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
];

/// Changing extended attributes: `cp -a` and `mv` try, and take this answer for an old file system.
const UNSUPPORTED: &[libc::c_long] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// All that a sandbox's init does once it is confined: it reaps, says how the code ended, waits for a word, and ends. What
/// it allocates meanwhile comes from brk or, if that is full, from mmap.
const INIT: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_getpid,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_sendmsg,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_exit_group,
];

/// clone3 passes its flags by pointer, where no filter can read them: the C library falls back to clone.
const MISSING: &[libc::c_long] = &[libc::SYS_clone3];

/// Namespace flags of clone: NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NAMESPACE_FLAGS: u32 = 0x7e02_0080;

/// TCP Fast Open: data and connection in one call, past whoever judges connect.
const MSG_FASTOPEN: u32 = 0x2000_0000;

/// FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR: an immutable file would outlive its owner's clean-up.
const IOC_SETFLAGS: u32 = 0x4008_6602;
const IOC_FSSETXATTR: u32 = 0x401c_5820;

/// SIOCGIFCONF and its like: all begin with this.
const SOCKET_IOCTLS: u32 = 0x8900;

pub(super) fn rules(options: FilterOptions) -> Vec<Rule> {
    let plain = [
        FILES,
        FILES_LEGACY,
        MEMORY,
        WAITING,
        WAITING_LEGACY,
        CLOCKS,
        CLOCKS_LEGACY,
        PROCESSES,
        PROCESSES_LEGACY,
        IDENTITY,
        SOCKETS,
    ];
    let mut rules: Vec<Rule> =
        plain.into_iter().flatten().map(|number| rule(*number, When::Always, Verdict::Allow)).collect();
    rules.extend(MISSING.iter().map(|number| rule(*number, When::Always, Verdict::Missing)));
    rules.extend(UNSUPPORTED.iter().map(|number| rule(*number, When::Always, Verdict::Unsupported)));
    let inotify = if options.allow_inotify { Verdict::Allow } else { Verdict::Missing };
    rules.extend(INOTIFY.iter().map(|number| rule(*number, When::Always, inotify)));
    rules.extend(conditional());
    rules.extend(sockets::rules(options.sockets));
    if options.allow_exec {
        // Which file: Landlock's business. execveat stays out: it runs descriptors that no path names.
        let verdict = if options.observe_exec { Verdict::Observe } else { Verdict::Allow };
        rules.push(rule(libc::SYS_execve, When::Always, verdict));
    }
    rules
}

pub(super) fn init_rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = INIT.iter().map(|number| rule(*number, When::Always, Verdict::Allow)).collect();
    rules
        .push(allow_if(libc::SYS_mmap, vec![Condition { argument: 2, mask: libc::PROT_EXEC as u32, values: vec![0] }]));
    rules
}

fn conditional() -> Vec<Rule> {
    let mut rules = vec![
        // a fork or a thread, but no namespace
        allow_if(libc::SYS_clone, vec![Condition { argument: 0, mask: NAMESPACE_FLAGS, values: vec![0] }]),
        allow_if(libc::SYS_sendto, vec![Condition { argument: 3, mask: MSG_FASTOPEN, values: vec![0] }]),
        allow_if(libc::SYS_sendmsg, vec![Condition { argument: 2, mask: MSG_FASTOPEN, values: vec![0] }]),
        allow_if(libc::SYS_sendmmsg, vec![Condition { argument: 3, mask: MSG_FASTOPEN, values: vec![0] }]),
        // typing into a terminal, flags that make clean-up fail, and the machine's interfaces and addresses
        rule(
            libc::SYS_ioctl,
            When::First(vec![
                (
                    vec![is(1, &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32, IOC_SETFLAGS, IOC_FSSETXATTR])],
                    Verdict::Refuse,
                ),
                (vec![Condition { argument: 1, mask: !0xff, values: vec![SOCKET_IOCTLS] }], Verdict::Refuse),
            ]),
            Verdict::Allow,
        ),
        // one's own limits, processors and niceness only: the warden of tier container has the code's effective user id
        allow_if(libc::SYS_prlimit64, vec![is(0, &[0])]),
        allow_if(libc::SYS_sched_setaffinity, vec![is(0, &[0])]),
        allow_if(libc::SYS_setpriority, vec![is(1, &[0])]),
        // only the question, never the change
        allow_if(libc::SYS_personality, vec![is(0, &[u32::MAX])]),
        // regular files and FIFOs; devices need a capability anyway
        allow_if(libc::SYS_mknodat, vec![file_type(2)]),
        allow_if(libc::SYS_prctl, vec![is(0, PRCTL)]),
    ];
    #[cfg(target_arch = "x86_64")]
    rules.push(allow_if(libc::SYS_mknod, vec![file_type(1)]));
    rules
}

/// Names, questions and tightening. Not: dumpable, subreaper, securebits, memory maps, core scheduling, ptracer.
const PRCTL: &[u32] = &[
    libc::PR_SET_NAME as u32,
    libc::PR_GET_NAME as u32,
    libc::PR_SET_PDEATHSIG as u32,
    libc::PR_GET_PDEATHSIG as u32,
    libc::PR_GET_DUMPABLE as u32,
    libc::PR_SET_NO_NEW_PRIVS as u32,
    libc::PR_GET_NO_NEW_PRIVS as u32,
    libc::PR_GET_SECCOMP as u32,
    libc::PR_CAPBSET_READ as u32,
    libc::PR_SET_TIMERSLACK as u32,
    libc::PR_GET_TIMERSLACK as u32,
    libc::PR_SET_THP_DISABLE as u32,
    libc::PR_GET_MDWE as u32,
    0x5356_4d41, // PR_SET_VMA: the allocator names its mappings
];

pub(super) fn rule(number: libc::c_long, when: When, verdict: Verdict) -> Rule {
    Rule { number: number as u32, when, verdict }
}

pub(super) fn allow_if(number: libc::c_long, conditions: Vec<Condition>) -> Rule {
    rule(number, When::All(conditions), Verdict::Allow)
}

pub(super) fn is(argument: u32, values: &[u32]) -> Condition {
    Condition { argument, mask: u32::MAX, values: values.to_vec() }
}

fn file_type(argument: u32) -> Condition {
    Condition { argument, mask: libc::S_IFMT, values: vec![0, libc::S_IFREG, libc::S_IFIFO] }
}
