//! The refusals of [`calls`](super::calls) as a filter, and whether it took hold.

use std::{fs, os::fd::AsRawFd};

use rustix::{
    io::Errno,
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    thread::{SecureComputingMode, secure_computing_mode},
};

use super::{
    HardenError, Step,
    calls::{ARCHITECTURE, ASK_PERSONALITY, EVERYWHERE, FAMILIES, Refused, TYPING, WITHOUT_NAMESPACES},
};
use crate::{
    apply::removed::{Wall, is_removed},
    bpf::{ALLOW, EQUAL, jump, known_calls_only, load_argument, refuse, ret},
    plan::Means,
    probe::{LayerReport, LayerStatus},
    sys::{self, BpfInstruction},
};

/// Needs no_new_privs, or root.
pub(super) fn install(means: Means) -> Result<LayerReport, HardenError> {
    let why = "what an executor never calls, nothing that takes it over can call";
    if is_removed(Wall::Seccomp) {
        return Ok(LayerReport { name: "seccomp", status: LayerStatus::Optional("removed".into()), why });
    }
    let failed = |what: &dyn std::fmt::Display| HardenError::new(Step::Seccomp, what);
    let before = filters_in_force().map_err(|error| failed(&error))?;
    sys::install_filter(&program(means)).map_err(|error| failed(&error))?;
    if secure_computing_mode() != Ok(SecureComputingMode::Filter) {
        return Err(failed(&"the kernel says that no filter is in force"));
    }
    if filters_in_force().map_err(|error| failed(&error))? <= before {
        return Err(failed(&"the kernel counts no filter more than before"));
    }
    match own_descriptor_taken() {
        Err(Errno::PERM) => {}
        Err(error) => return Err(failed(&format_args!("pidfd_getfd: refused, but with {error}"))),
        Ok(()) => return Err(failed(&"pidfd_getfd was allowed")),
    }
    let count = refused(means).count();
    Ok(super::report("seccomp", format!("{count} calls refused; other ABIs end the process"), why))
}

/// Of this thread, whoever installed them.
fn filters_in_force() -> std::io::Result<u32> {
    let status = fs::read_to_string("/proc/thread-self/status")?;
    let count = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")?.trim().parse().ok());
    count.ok_or_else(|| std::io::Error::other("/proc/thread-self/status says nothing of Seccomp_filters"))
}

/// Takes a copy of a descriptor of this process's own, to which only a filter can say no.
fn own_descriptor_taken() -> rustix::io::Result<()> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(&own, own.as_raw_fd(), PidfdGetfdFlags::empty()).map(drop)
}

fn refused(means: Means) -> impl Iterator<Item = &'static Refused> {
    let more = if means == Means::Container { WITHOUT_NAMESPACES } else { &[] };
    EVERYWHERE.iter().chain(ARCHITECTURE).chain(more)
}

fn program(means: Means) -> Vec<BpfInstruction> {
    let mut program = known_calls_only();
    for (number, ..) in refused(means) {
        program.extend([jump(EQUAL, *number as u32, 0, 1), ret(refuse(libc::EPERM))]);
    }
    let families: Vec<u32> = FAMILIES.iter().map(|family| *family as u32).collect();
    program.extend(unless(libc::SYS_socket, 0, &families, libc::EAFNOSUPPORT));
    program.extend(unless(libc::SYS_personality, 0, &[ASK_PERSONALITY], libc::EPERM));
    program.extend(when(libc::SYS_ioctl, 1, TYPING, libc::EPERM));
    program.push(ret(ALLOW));
    program
}

/// Refuses a call unless its argument is one of these.
fn unless(number: libc::c_long, argument: u32, values: &[u32], errno: i32) -> Vec<BpfInstruction> {
    judged(number, argument, values, [refuse(errno), ALLOW])
}

/// Refuses a call if its argument is one of these.
fn when(number: libc::c_long, argument: u32, values: &[u32], errno: i32) -> Vec<BpfInstruction> {
    judged(number, argument, values, [ALLOW, refuse(errno)])
}

/// `[otherwise, listed]`: the answer where the argument is none of the values, and where it is one.
fn judged(number: libc::c_long, argument: u32, values: &[u32], [otherwise, listed]: [u32; 2]) -> Vec<BpfInstruction> {
    let mut body = vec![load_argument(argument)];
    let count = values.len();
    body.extend(values.iter().enumerate().map(|(index, value)| jump(EQUAL, *value, (count - index) as u8, 0)));
    body.extend([ret(otherwise), ret(listed)]);
    let mut code = vec![jump(EQUAL, number as u32, 0, body.len() as u8)];
    code.append(&mut body);
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::{NEWEST_KNOWN, tests as bpf};

    fn native(means: Means, number: libc::c_long, arguments: [u64; 2]) -> u32 {
        bpf::answer(&program(means), number as u32, arguments)
    }

    #[test]
    fn every_listed_call_is_refused_and_no_other() {
        let listed: Vec<u32> = refused(Means::Container).map(|(number, ..)| *number as u32).collect();
        let program = program(Means::Container);
        for number in 0..=NEWEST_KNOWN {
            let plain = [libc::SYS_socket, libc::SYS_personality].iter().all(|judged| *judged as u32 != number);
            let answer = bpf::answer(&program, number, [0; 2]);
            assert_eq!(
                answer == refuse(libc::EPERM),
                listed.contains(&number) || number == libc::SYS_personality as u32
            );
            assert!(answer == ALLOW || answer == refuse(libc::EPERM) || !plain, "{number}");
        }
    }

    #[test]
    fn every_line_has_a_name_and_a_reason_of_its_own_number() {
        let mut numbers: Vec<_> = refused(Means::Container).map(|(number, ..)| number).collect();
        assert!(refused(Means::Container).all(|(_, name, why)| !name.is_empty() && why.len() > 5));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a call is listed twice");
    }

    #[test]
    fn what_sandboxes_are_made_with_stays_where_they_are_made_with_it() {
        for number in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_setns, libc::SYS_pivot_root, libc::SYS_fsopen] {
            assert_eq!(native(Means::Root, number, [0; 2]), ALLOW);
            assert_eq!(native(Means::UserNamespace, number, [0; 2]), ALLOW);
            assert_eq!(native(Means::Container, number, [0; 2]), refuse(libc::EPERM));
        }
    }

    #[test]
    fn foreign_tables_end_the_process_and_unknown_numbers_are_missing() {
        bpf::foreign_tables_end_the_process_and_unknown_numbers_are_missing(&program(Means::Root));
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let socket = |family: i32| native(Means::Root, libc::SYS_socket, [family as u64, 1]);
        assert!(
            [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(socket).iter().all(|it| *it == ALLOW)
        );
        for family in [libc::AF_ALG, libc::AF_VSOCK, libc::AF_PACKET, libc::AF_RXRPC, libc::AF_UNSPEC] {
            assert_eq!(socket(family), refuse(libc::EAFNOSUPPORT));
        }
        let personality = |word: u64| native(Means::Root, libc::SYS_personality, [word, 0]);
        assert_eq!((personality(0xffff_ffff), personality(0x0040_0000)), (ALLOW, refuse(libc::EPERM)));
        // High bits do not hide a request from the comparison.
        let ioctl = |request: u64| native(Means::Root, libc::SYS_ioctl, [0, request]);
        assert_eq!(ioctl((1 << 32) | libc::TIOCSTI), refuse(libc::EPERM));
        assert_eq!(ioctl(libc::FIONREAD), ALLOW);
    }
}
