use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// One instruction of a classic BPF program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BpfInstruction {
    pub code: u16,
    pub if_true: u8,
    pub if_false: u8,
    pub operand: u32,
}

/// Installs a filter on this thread. It needs no_new_privs, and holds for every process this one starts.
pub fn install_filter(program: &[BpfInstruction]) -> io::Result<()> {
    load_filter(program, 0).map(drop)
}

/// As [`install_filter`], for a filter some of whose calls wait for an answer: the end that hears of them,
/// close-on-exec. EBUSY: this process is listened to already, and the kernel has room for one listener.
pub fn install_filter_with_listener(program: &[BpfInstruction]) -> io::Result<OwnedFd> {
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // A signal that does not kill must not make a heard call start again. Linux 5.19.
    let descriptor = match load_filter(program, listen | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => load_filter(program, listen)?,
        other => other?,
    };
    // SAFETY: with this flag the kernel answers with a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn load_filter(program: &[BpfInstruction], flags: libc::c_ulong) -> io::Result<i32> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.if_true,
            jf: instruction.if_false,
            k: instruction.operand,
        })
        .collect();
    let length = u16::try_from(instructions.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the filter is too long"))?;
    let program = libc::sock_fprog { len: length, filter: instructions.as_mut_ptr() };
    // SAFETY: the program and its instructions outlive the call; the kernel copies them.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    // Zero, or a descriptor: it fits.
    if answer >= 0 { Ok(answer as i32) } else { Err(io::Error::last_os_error()) }
}
