//! Runs a program on a kernel that lacks a system call, or only pretends to do it: `without CALL ERRNO PROGRAM ARG…`.
//! With ERRNO 0 the call does nothing and reports success. For the tests of what happens when a wall is missing.

use std::{os::unix::process::CommandExt, process::Command};

use codemode_sandbox::sys::{BpfInstruction, install_filter};

const CALLS: [(&str, libc::c_long); 7] = [
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
    ("seccomp", libc::SYS_seccomp),
    ("setresuid", libc::SYS_setresuid),
    ("capset", libc::SYS_capset),
    ("pivot_root", libc::SYS_pivot_root),
    ("setrlimit", libc::SYS_prlimit64),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: without CALL ERRNO PROGRAM ARG…");
    let name = next()?;
    let (_, number) = CALLS.into_iter().find(|(known, _)| *known == name).ok_or("no such call here")?;
    let errno: u32 = next()?.parse()?;
    let program = next()?;
    let instruction =
        |code: u32, if_true, if_false, operand| BpfInstruction { code: code as u16, if_true, if_false, operand };
    rustix::thread::set_no_new_privs(true)?;
    install_filter(&[
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])?;
    Err(Command::new(program).args(arguments).exec().into())
}
