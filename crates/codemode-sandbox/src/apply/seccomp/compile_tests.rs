use super::*;
use crate::{
    apply::seccomp::{FilterOptions, Internet, Local, Sockets, lists},
    bpf::{NEWEST_KNOWN, tests as bpf},
};

const IOC_SETFLAGS: u64 = 0x4008_6602;
const OPTIONS: FilterOptions =
    FilterOptions { allow_exec: true, observe_exec: false, sockets: UNIX, allow_inotify: true };
const UNIX: Sockets = Sockets { local: Local::All, internet: Internet::None };

fn run(program: &[BpfInstruction], number: libc::c_long, arguments: [u64; 6]) -> u32 {
    bpf::answer(program, number as u32, arguments)
}

fn native(number: libc::c_long, arguments: [u64; 6]) -> u32 {
    run(&super::super::program(OPTIONS), number, arguments)
}

#[test]
fn foreign_tables_end_the_process_and_unknown_numbers_are_missing() {
    bpf::foreign_tables_end_the_process_and_unknown_numbers_are_missing(&super::super::program(OPTIONS));
}

#[test]
fn what_is_not_listed_is_refused() {
    for number in [libc::SYS_ptrace, libc::SYS_mount, libc::SYS_bpf, libc::SYS_memfd_create, libc::SYS_unshare] {
        assert_eq!(native(number, [0; 6]), refuse(libc::EPERM));
    }
    assert_eq!(native(libc::SYS_clone3, [0; 6]), refuse(libc::ENOSYS));
    assert_eq!(native(libc::SYS_read, [0; 6]), ALLOW);
}

#[test]
fn arguments_decide_where_they_must() {
    assert_eq!(native(libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]), ALLOW);
    for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWPID, libc::CLONE_NEWNET, libc::CLONE_NEWTIME] {
        assert_eq!(native(libc::SYS_clone, [flag as u32 as u64, 0, 0, 0, 0, 0]), refuse(libc::EPERM));
    }
    assert_eq!(native(libc::SYS_socket, [libc::AF_UNIX as u64, 1, 0, 0, 0, 0]), ALLOW);
    for family in [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_ALG, libc::AF_VSOCK, libc::AF_PACKET] {
        assert_eq!(native(libc::SYS_socket, [family as u64, 1, 0, 0, 0, 0]), refuse(libc::EPERM));
    }
    // High bits do not hide a request from the comparison.
    assert_eq!(native(libc::SYS_ioctl, [0, (1 << 32) | libc::TIOCSTI, 0, 0, 0, 0]), refuse(libc::EPERM));
    for request in [libc::SIOCGIFCONF, libc::SIOCSIFADDR, libc::TIOCLINUX, IOC_SETFLAGS] {
        assert_eq!(native(libc::SYS_ioctl, [0, request, 0, 0, 0, 0]), refuse(libc::EPERM));
    }
    for request in [libc::FIONREAD, libc::FIONBIO, libc::TIOCGWINSZ] {
        assert_eq!(native(libc::SYS_ioctl, [0, request, 0, 0, 0, 0]), ALLOW);
    }
}

#[test]
fn sockets_of_the_host_cannot_be_reached() {
    let program =
        super::super::program(FilterOptions { sockets: Sockets { local: Local::Unconnected, ..UNIX }, ..OPTIONS });
    let ask = |number: libc::c_long, arguments| run(&program, number, arguments);
    let unix = libc::AF_UNIX as u64;
    let stream = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as u64;
    assert_eq!(ask(libc::SYS_connect, [0; 6]), refuse(libc::EPERM));
    assert_eq!(ask(libc::SYS_socket, [unix, libc::SOCK_DGRAM as u64, 0, 0, 0, 0]), refuse(libc::EPERM));
    assert_eq!(ask(libc::SYS_socket, [unix, stream, 0, 0, 0, 0]), ALLOW);
    // The kernel takes a raw pair for datagrams.
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        assert_eq!(ask(libc::SYS_socketpair, [unix, kind as u64, 0, 0, 0, 0]), refuse(libc::EPERM));
    }
    assert_eq!(ask(libc::SYS_socketpair, [unix, stream, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(libc::SYS_connect, [0; 6]), ALLOW);
}

fn with_internet(internet: Internet) -> impl Fn(libc::c_long, [i32; 3]) -> u32 {
    let program = super::super::program(FilterOptions { sockets: Sockets { internet, ..UNIX }, ..OPTIONS });
    move |number, [a, b, c]| run(&program, number, [a as u64, b as u64, c as u64, 0, 0, 0])
}

#[test]
fn restricted_means_tcp_over_ipv4_and_nothing_else() {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for internet in [Internet::Proxied, Internet::Brokered] {
        let ask = with_internet(internet);
        for protocol in [0, libc::IPPROTO_TCP] {
            assert_eq!(ask(libc::SYS_socket, [libc::AF_INET, libc::SOCK_STREAM | flags, protocol]), ALLOW);
        }
        for (kind, protocol) in [
            (libc::SOCK_DGRAM, 0),
            (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
            (libc::SOCK_RAW, libc::IPPROTO_ICMP),
            (libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
            (libc::SOCK_STREAM, libc::IPPROTO_SCTP),
            (libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
        ] {
            assert_eq!(ask(libc::SYS_socket, [libc::AF_INET, kind, protocol]), refuse(libc::EPERM));
        }
        let missing = ask(libc::SYS_socket, [libc::AF_INET6, libc::SOCK_STREAM, 0]);
        assert_eq!(missing, refuse(libc::EAFNOSUPPORT));
        for family in [libc::AF_NETLINK, libc::AF_PACKET, libc::AF_VSOCK, libc::AF_ALG] {
            assert_eq!(ask(libc::SYS_socket, [family, libc::SOCK_RAW, 0]), refuse(libc::EPERM));
        }
    }
}

#[test]
fn a_broker_hears_of_every_connect_and_nobody_listens() {
    let ask = with_internet(Internet::Brokered);
    assert_eq!(ask(libc::SYS_connect, [3, 0, 16]), libc::SECCOMP_RET_USER_NOTIF);
    for call in [libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4] {
        assert_eq!(ask(call, [3, 0, 0]), refuse(libc::EPERM));
    }
    assert_eq!(with_internet(Internet::Proxied)(libc::SYS_connect, [3, 0, 16]), ALLOW);
}

#[test]
fn options_that_reach_into_the_kernel_are_not_there() {
    for internet in [Internet::Proxied, Internet::Brokered, Internet::Whole] {
        let ask = with_internet(internet);
        for (level, option) in [
            (libc::IPPROTO_TCP, libc::TCP_ULP),
            (libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT),
            (libc::IPPROTO_TCP, libc::TCP_REPAIR),
            (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
            (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
            (libc::IPPROTO_IP, 64), // IPT_SO_SET_REPLACE
            (libc::SOL_UDP, libc::UDP_SEGMENT),
        ] {
            assert_eq!(ask(libc::SYS_setsockopt, [3, level, option]), refuse(libc::ENOPROTOOPT));
        }
        assert_eq!(ask(libc::SYS_setsockopt, [3, libc::IPPROTO_TCP, libc::TCP_NODELAY]), ALLOW);
        assert_eq!(ask(libc::SYS_setsockopt, [3, libc::SOL_SOCKET, libc::SO_REUSEADDR]), ALLOW);
    }
}

#[test]
fn the_whole_network_is_tcp_and_udp() {
    let ask = with_internet(Internet::Whole);
    for family in [libc::AF_INET, libc::AF_INET6] {
        assert_eq!(ask(libc::SYS_socket, [family, libc::SOCK_STREAM, libc::IPPROTO_TCP]), ALLOW);
        assert_eq!(ask(libc::SYS_socket, [family, libc::SOCK_DGRAM, libc::IPPROTO_UDP]), ALLOW);
        assert_eq!(ask(libc::SYS_socket, [family, libc::SOCK_RAW, 1]), refuse(libc::EPERM));
        assert_eq!(ask(libc::SYS_socket, [family, libc::SOCK_DGRAM, libc::IPPROTO_ICMP]), refuse(libc::EPERM));
    }
    assert_eq!(ask(libc::SYS_socket, [libc::AF_NETLINK, libc::SOCK_RAW, 0]), refuse(libc::EPERM));
    assert_eq!(ask(libc::SYS_socket, [libc::AF_VSOCK, libc::SOCK_STREAM, 0]), refuse(libc::EPERM));
}

#[test]
fn pairs_may_be_all_there_is() {
    let program = super::super::program(FilterOptions { sockets: Sockets { local: Local::Pairs, ..UNIX }, ..OPTIONS });
    let unix = [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0];
    assert_eq!(run(&program, libc::SYS_socketpair, unix), ALLOW);
    assert_eq!(run(&program, libc::SYS_socket, unix), refuse(libc::EPERM));
}

#[test]
fn attributes_and_watches_are_answered_as_by_an_old_system() {
    assert_eq!(native(libc::SYS_setxattr, [0; 6]), refuse(libc::EOPNOTSUPP));
    let program = super::super::program(FilterOptions { allow_inotify: false, ..OPTIONS });
    assert_eq!(run(&program, libc::SYS_inotify_init1, [0; 6]), refuse(libc::ENOSYS));
}

#[test]
fn without_commands_nothing_is_executed() {
    let program = super::super::program(FilterOptions { allow_exec: false, ..OPTIONS });
    assert_eq!(run(&program, libc::SYS_execve, [0; 6]), refuse(libc::EPERM));
    assert_eq!(native(libc::SYS_execve, [0; 6]), ALLOW);
    assert_eq!(native(libc::SYS_execveat, [0; 6]), refuse(libc::EPERM));
}

#[test]
fn of_all_calls_the_start_of_a_program_alone_can_be_observed() {
    let program = super::super::program(FilterOptions { observe_exec: true, ..OPTIONS });
    let ask = |number: libc::c_long| run(&program, number, [0; 6]);
    assert_eq!(ask(libc::SYS_execve), libc::SECCOMP_RET_USER_NOTIF);
    assert_eq!(ask(libc::SYS_execveat), refuse(libc::EPERM));
    let observed = program.iter().filter(|line| line.operand == libc::SECCOMP_RET_USER_NOTIF).count();
    assert_eq!(observed, 1);
    // Nobody below can listen in its turn.
    assert_eq!(ask(libc::SYS_seccomp), refuse(libc::EPERM));
    let prctl = |option: i32| run(&program, libc::SYS_prctl, [option as u64, 2, 0, 0, 0, 0]);
    assert_eq!(prctl(libc::PR_SET_SECCOMP), refuse(libc::EPERM));
    // Where nothing may be started there is nothing to see.
    let program = super::super::program(FilterOptions { allow_exec: false, observe_exec: true, ..OPTIONS });
    assert_eq!(run(&program, libc::SYS_execve, [0; 6]), refuse(libc::EPERM));
}

#[test]
fn no_call_is_listed_twice_and_every_line_has_a_reason() {
    let rules = lists::rules(OPTIONS);
    let mut numbers: Vec<_> = rules.iter().map(|rule| rule.number).collect();
    assert!(numbers.iter().all(|number| *number <= NEWEST_KNOWN));
    numbers.sort_unstable();
    let before = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), before);
}
