//! Making a sandbox and ending it: namespaces, mounts, a second process, identity, Landlock with one rule, a small filter.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr, thread,
};

use crate::{
    PERIOD, Stage, Work,
    sys::{self, Times, done},
};

const NAMESPACES: i32 =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
/// An id that owns nothing.
const NOBODY: libc::c_long = 65_534;

// When what happened.
const ASKED: usize = 0;
const CLONED: usize = 1;
const BEGUN: usize = 2;
const MOUNTED: usize = 3;
const FORKED: usize = 4;
const CODE_BEGUN: usize = 5;
const TOUCHED: usize = 6;
const IDENTITY: usize = 7;
const LANDLOCKED: usize = 8;
const FILTERED: usize = 9;
const PARKED: usize = 10;
const ENDING: usize = 11;
const REAPED: usize = 12;

const STAGES: [(&str, usize, usize); 9] = [
    ("clone", ASKED, CLONED),
    ("mounts", BEGUN, MOUNTED),
    ("fork", MOUNTED, FORKED),
    ("pages", CODE_BEGUN, TOUCHED),
    ("identity", TOUCHED, IDENTITY),
    ("landlock", IDENTITY, LANDLOCKED),
    ("seccomp", LANDLOCKED, FILTERED),
    ("whole", ASKED, PARKED),
    ("end", ENDING, REAPED),
];

pub(crate) fn measure(work: Work) -> Vec<Stage> {
    let times = Times::new();
    let (asker, maker) = sys::pair();
    let Some(pid) = sys::fork(0) else {
        drop(asker);
        enter_root();
        make_on_request(work, times, &maker)
    };
    drop(maker);
    let mut stages: Vec<Stage> = STAGES.iter().map(|(name, ..)| (*name, Vec::new())).collect();
    for _ in 0..work.samples {
        thread::sleep(PERIOD);
        sys::send(&asker);
        if !sys::receive(&asker) {
            break;
        }
        for ((_, samples), (_, from, to)) in stages.iter_mut().zip(STAGES) {
            samples.push(times.between(from, to));
        }
    }
    drop(asker);
    sys::reap(pid);
    stages
}

/// A root with nothing in it, so that a new mount namespace copies no more than a zygote's does.
fn enter_root() {
    // SAFETY: this process has one thread.
    done("unshare", unsafe { libc::unshare(libc::CLONE_NEWNS) }.into());
    sys::mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE);
    sys::mount(c"tmpfs", c"/tmp", c"tmpfs", 0);
    // SAFETY: C strings.
    unsafe {
        done("chdir", libc::chdir(c"/tmp".as_ptr()).into());
        for folder in [c"proc", c"1", c"2", c"3", c"4", c"5"] {
            done("mkdir", libc::mkdir(folder.as_ptr(), 0o755).into());
        }
        done("pivot_root", libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()));
        done("umount", libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into());
        done("chdir", libc::chdir(c"/".as_ptr()).into());
    }
}

fn make_on_request(work: Work, times: Times, asker: &OwnedFd) -> ! {
    let mut memory = sys::resident(work.resident);
    while sys::receive(asker) {
        let (parked, word) = sys::pair();
        times.mark(ASKED);
        let Some(init) = sys::fork(NAMESPACES) else {
            times.mark(BEGUN);
            init(work, times, &mut memory, &word)
        };
        times.mark(CLONED);
        sys::receive(&parked);
        times.mark(PARKED);
        times.mark(ENDING);
        sys::send(&parked);
        sys::reap(init);
        times.mark(REAPED);
        sys::send(asker);
    }
    sys::exit(0)
}

fn init(work: Work, times: Times, memory: &mut [u8], word: &OwnedFd) -> ! {
    sys::mount(c"proc", c"/proc", c"proc", 0);
    for folder in [c"/1", c"/2", c"/3", c"/4", c"/5"] {
        sys::mount(c"tmpfs", folder, c"tmpfs", libc::MS_NOSUID | libc::MS_NODEV);
    }
    times.mark(MOUNTED);
    let Some(code) = sys::fork(0) else {
        times.mark(CODE_BEGUN);
        sys::copy(memory, work.touched);
        times.mark(TOUCHED);
        drop_identity();
        times.mark(IDENTITY);
        restrict_files();
        times.mark(LANDLOCKED);
        filter_calls();
        times.mark(FILTERED);
        sys::send(word);
        sys::receive(word);
        sys::exit(0)
    };
    times.mark(FORKED);
    drop_identity();
    filter_calls();
    sys::reap(code);
    sys::exit(0)
}

fn drop_identity() {
    // SAFETY: numbers, an empty list, and two structures of the version that the header names.
    unsafe {
        done("prctl", libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into());
        // By their numbers: the C library would tell its threads, and there are none.
        done("setgroups", libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()));
        done("setresgid", libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY));
        done("setresuid", libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY));
        let header: [u32; 2] = [0x2008_0522, 0];
        let none = [0_u32; 6];
        done("capset", libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()));
    }
}

/// Landlock: reading below the root, and nothing else of what its first version knows.
fn restrict_files() {
    const HANDLED: u64 = (1 << 13) - 1;
    const READ: u64 = 0b1101;
    #[repr(C, packed)]
    struct Beneath {
        allowed: u64,
        folder: i32,
    }
    // SAFETY: structures of the sizes that the kernel is told; the descriptors are its own and closed here.
    unsafe {
        let rules = done("landlock_create_ruleset", libc::syscall(libc::SYS_landlock_create_ruleset, &HANDLED, 8, 0));
        let rules = OwnedFd::from_raw_fd(rules as i32);
        let root = done("open", libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC).into());
        let root = OwnedFd::from_raw_fd(root as i32);
        let beneath = Beneath { allowed: READ, folder: root.as_raw_fd() };
        let added = libc::syscall(libc::SYS_landlock_add_rule, rules.as_raw_fd(), 1, &beneath, 0);
        done("landlock_add_rule", added);
        done("landlock_restrict_self", libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0));
    }
}

/// A filter that refuses four calls and lets all others pass.
fn filter_calls() {
    const REFUSED: [libc::c_long; 4] = [libc::SYS_ptrace, libc::SYS_bpf, libc::SYS_kexec_load, libc::SYS_mount];
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (index, call) in REFUSED.iter().enumerate() {
        let behind = (REFUSED.len() - index) as u8;
        filter.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, behind, 0, *call as u32));
    }
    filter.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW));
    filter.push(step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its steps are valid for the call.
    done("seccomp", unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) });
}
