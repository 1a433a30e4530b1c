//! Signals by number, as `wait` reports them; the numbers are those of Linux on x86-64 and arm64.

pub(super) const KILL: i32 = 9;
pub(super) const XCPU: i32 = 24;
pub(super) const XFSZ: i32 = 25;

pub(super) fn name(number: i32) -> String {
    let known = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL, an illegal instruction",
        5 => "SIGTRAP",
        6 => "SIGABRT (it aborted itself)",
        7 => "SIGBUS, a bad memory access",
        8 => "SIGFPE, an arithmetic fault",
        10 => "SIGUSR1",
        11 => "SIGSEGV, a bad memory access (or a recursion too deep for the stack)",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        31 => "SIGSYS, a system call that the sandbox forbids",
        _ => return format!("signal {number}"),
    };
    known.to_owned()
}
