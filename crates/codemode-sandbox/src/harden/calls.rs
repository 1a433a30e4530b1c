//! System calls that neither the executor nor anything it starts needs: zygotes, sandboxes, the commands in them.
//!
//! A list of refusals, not of permissions: what a command may need is the sandbox's own filter's business, which allows by
//! name. What stays open here on purpose, such as mounts and namespaces in tier full, is what sandboxes are made with.

/// One refused call: its number, its name, and what it would be good for.
pub(super) type Refused = (libc::c_long, &'static str, &'static str);

/// Everywhere. `clone3` stays: the filter could not read its flags, and threads start with it.
pub(super) const EVERYWHERE: &[Refused] = &[
    // another kernel, or other code in this one
    (libc::SYS_kexec_load, "kexec_load", "starts another kernel"),
    (libc::SYS_kexec_file_load, "kexec_file_load", "starts another kernel"),
    (libc::SYS_reboot, "reboot", "stops the machine"),
    (libc::SYS_init_module, "init_module", "loads code into the kernel"),
    (libc::SYS_finit_module, "finit_module", "loads code into the kernel"),
    (libc::SYS_delete_module, "delete_module", "takes code out of the kernel"),
    (libc::SYS_bpf, "bpf", "programs that run in the kernel"),
    // large and often attacked parts of the kernel
    (libc::SYS_perf_event_open, "perf_event_open", "counters of the whole machine"),
    (libc::SYS_userfaultfd, "userfaultfd", "holds the kernel in the middle of a copy"),
    (libc::SYS_io_uring_setup, "io_uring_setup", "system calls that no filter sees"),
    (libc::SYS_io_uring_enter, "io_uring_enter", "system calls that no filter sees"),
    (libc::SYS_io_uring_register, "io_uring_register", "system calls that no filter sees"),
    // keys of the user and the machine
    (libc::SYS_add_key, "add_key", "key rings outlive the process"),
    (libc::SYS_request_key, "request_key", "starts a program of the host"),
    (libc::SYS_keyctl, "keyctl", "reads and changes key rings"),
    // files past their paths
    (libc::SYS_open_by_handle_at, "open_by_handle_at", "opens files of the host from inside any root"),
    (libc::SYS_name_to_handle_at, "name_to_handle_at", "makes what the call above takes"),
    (libc::SYS_fanotify_init, "fanotify_init", "hears of, and holds up, every file access of the machine"),
    (libc::SYS_fanotify_mark, "fanotify_mark", "the same"),
    (libc::SYS_lookup_dcookie, "lookup_dcookie", "names files by kernel cookies"),
    (libc::SYS_quotactl, "quotactl", "changes disk quotas"),
    (libc::SYS_quotactl_fd, "quotactl_fd", "changes disk quotas"),
    (libc::SYS_swapon, "swapon", "writes memory to a file of its choice"),
    (libc::SYS_swapoff, "swapoff", "takes memory from the machine"),
    (libc::SYS_acct, "acct", "writes down every process of the machine"),
    // the machine's clock, log and terminals
    (libc::SYS_settimeofday, "settimeofday", "sets the clock"),
    (libc::SYS_clock_settime, "clock_settime", "sets the clock"),
    (libc::SYS_clock_adjtime, "clock_adjtime", "sets the clock's pace"),
    (libc::SYS_adjtimex, "adjtimex", "sets the clock's pace"),
    (libc::SYS_syslog, "syslog", "reads and clears the kernel's log, with its addresses"),
    (libc::SYS_vhangup, "vhangup", "hangs up terminals"),
    (libc::SYS_setdomainname, "setdomainname", "names the machine; its host name is a sandbox's own"),
    // other processes: what the executor reads of a sandbox it reads through /proc
    (libc::SYS_ptrace, "ptrace", "takes over another process"),
    (libc::SYS_process_vm_readv, "process_vm_readv", "reads another process's memory"),
    (libc::SYS_process_vm_writev, "process_vm_writev", "writes another process's memory"),
    (libc::SYS_process_madvise, "process_madvise", "acts on another process's memory"),
    (libc::SYS_kcmp, "kcmp", "tells where kernel objects lie"),
    (PIDFD_GETFD, "pidfd_getfd", "takes another process's descriptors"),
    (libc::SYS_migrate_pages, "migrate_pages", "moves another process's memory"),
    (libc::SYS_move_pages, "move_pages", "moves another process's memory"),
    // calls that nothing uses any more
    (libc::SYS_nfsservctl, "nfsservctl", "was removed long ago"),
];

/// The one that is tried: as a process's own business it would be allowed anybody.
pub(super) const PIDFD_GETFD: libc::c_long = libc::SYS_pidfd_getfd;

#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: &[Refused] = &[
    (libc::SYS_iopl, "iopl", "the machine's ports"),
    (libc::SYS_ioperm, "ioperm", "the machine's ports"),
    (libc::SYS_modify_ldt, "modify_ldt", "segments of old programs; often attacked"),
    (libc::SYS_uselib, "uselib", "libraries of old programs"),
    (libc::SYS_ustat, "ustat", "nothing uses it any more"),
    (libc::SYS_sysfs, "sysfs", "nothing uses it any more"),
    (libc::SYS__sysctl, "_sysctl", "was removed long ago"),
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const ARCHITECTURE: &[Refused] = &[];

/// Besides, where sandboxes are made without namespaces and mounts.
pub(super) const WITHOUT_NAMESPACES: &[Refused] = &[
    (libc::SYS_unshare, "unshare", "new namespaces"),
    (libc::SYS_setns, "setns", "other namespaces"),
    (libc::SYS_chroot, "chroot", "another root"),
    (libc::SYS_pivot_root, "pivot_root", "another root"),
    (libc::SYS_mount, "mount", "changes what paths mean"),
    (libc::SYS_umount2, "umount2", "uncovers what was covered"),
    (libc::SYS_open_tree, "open_tree", "copies mounts"),
    (libc::SYS_move_mount, "move_mount", "changes what paths mean"),
    (libc::SYS_fsopen, "fsopen", "new file systems"),
    (libc::SYS_fsconfig, "fsconfig", "new file systems"),
    (libc::SYS_fsmount, "fsmount", "new file systems"),
    (libc::SYS_fspick, "fspick", "changes file systems"),
    (libc::SYS_mount_setattr, "mount_setattr", "changes mounts"),
];

/// Address families of sockets that are left; the others are kernel code that nothing here has a use for. Which of these
/// a sandbox gets is its own filter's business. Netlink: the C library asks it for the machine's addresses.
pub(super) const FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Requests of `ioctl` that type into a terminal, such as the one that the executor was started from.
pub(super) const TYPING: &[u32] = &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32];

/// The only argument that `personality` may have: the question. Others weaken memory protection.
pub(super) const ASK_PERSONALITY: u32 = u32::MAX;
