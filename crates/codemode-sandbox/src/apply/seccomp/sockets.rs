//! Which sockets may be made, and what may be done with them.

use super::{
    Internet, Local, Sockets,
    lists::{Condition, Rule, Verdict, When, allow_if, is, rule},
};

/// The lower bits of a socket's type; the others are flags.
const TYPE_MASK: u32 = 0xf;

/// What makes others connect to here.
const LISTENING: &[libc::c_long] = &[libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];

/// Of an internet socket: sizes, timeouts, keepalive. Not: filters, devices, marks, busy polling.
const SOCKET_OPTIONS: &[i32] = &[
    libc::SO_REUSEADDR,
    libc::SO_BROADCAST,
    libc::SO_SNDBUF,
    libc::SO_RCVBUF,
    libc::SO_KEEPALIVE,
    libc::SO_OOBINLINE,
    libc::SO_LINGER,
    libc::SO_PASSCRED,
    libc::SO_RCVLOWAT,
    libc::SO_RCVTIMEO,
    libc::SO_SNDTIMEO,
    66, // SO_RCVTIMEO_NEW
    67, // SO_SNDTIMEO_NEW
    libc::SO_TIMESTAMP,
];

/// Not: upper-layer protocols, repair, Fast Open, congestion control, keys, diverted connections.
const TCP_OPTIONS: &[i32] = &[
    libc::TCP_NODELAY,
    libc::TCP_MAXSEG,
    libc::TCP_CORK,
    libc::TCP_KEEPIDLE,
    libc::TCP_KEEPINTVL,
    libc::TCP_KEEPCNT,
    libc::TCP_SYNCNT,
    libc::TCP_LINGER2,
    libc::TCP_QUICKACK,
    libc::TCP_USER_TIMEOUT,
    libc::TCP_NOTSENT_LOWAT,
];

const IP_OPTIONS: &[i32] = &[
    libc::IP_TOS,
    libc::IP_TTL,
    libc::IP_PKTINFO,
    libc::IP_MTU_DISCOVER,
    libc::IP_RECVERR,
    libc::IP_BIND_ADDRESS_NO_PORT,
];

const IPV6_OPTIONS: &[i32] = &[
    libc::IPV6_V6ONLY,
    libc::IPV6_UNICAST_HOPS,
    libc::IPV6_MTU_DISCOVER,
    libc::IPV6_RECVERR,
    libc::IPV6_RECVPKTINFO,
    libc::IPV6_TCLASS,
];

pub(super) fn rules(sockets: Sockets) -> Vec<Rule> {
    let Sockets { local, internet } = sockets;
    let mut rules = vec![pair(local), make(sockets)];
    if internet != Internet::Brokered {
        rules.extend(LISTENING.iter().map(|number| rule(*number, When::Always, Verdict::Allow)));
    }
    match internet {
        Internet::None if local == Local::All => rules.push(rule(libc::SYS_connect, When::Always, Verdict::Allow)),
        Internet::None => {}
        Internet::Proxied | Internet::Whole => rules.push(rule(libc::SYS_connect, When::Always, Verdict::Allow)),
        Internet::Brokered => rules.push(rule(libc::SYS_connect, When::Always, Verdict::Observe)),
    }
    rules.push(options(internet));
    rules
}

/// Without connect, or where one could lead to the host's, no datagrams: their target is named in memory that no filter
/// reads, also on a socket that has a peer already.
fn pair(local: Local) -> Rule {
    let mut conditions = vec![is(0, &[libc::AF_UNIX as u32])];
    if local != Local::All {
        conditions.push(connected_types());
    }
    allow_if(libc::SYS_socketpair, conditions)
}

fn connected_types() -> Condition {
    Condition { argument: 1, mask: TYPE_MASK, values: vec![libc::SOCK_STREAM as u32, libc::SOCK_SEQPACKET as u32] }
}

fn make(sockets: Sockets) -> Rule {
    let mut alternatives = Vec::new();
    match sockets.local {
        Local::All => alternatives.push((vec![is(0, &[libc::AF_UNIX as u32])], Verdict::Allow)),
        Local::Unconnected => {
            alternatives.push((vec![is(0, &[libc::AF_UNIX as u32]), connected_types()], Verdict::Allow));
        }
        Local::Pairs => {}
    }
    // Zero is the family's own protocol for that type. MPTCP, SCTP, SMC and UDP-Lite pass rules for TCP and UDP by.
    let internet = |families: &[i32], kind: i32, protocol: i32| {
        let kind = Condition { argument: 1, mask: TYPE_MASK, values: vec![kind as u32] };
        (vec![is(0, &numbers(families)), kind, is(2, &[0, protocol as u32])], Verdict::Allow)
    };
    match sockets.internet {
        Internet::None => {}
        Internet::Proxied | Internet::Brokered => {
            alternatives.push(internet(&[libc::AF_INET], libc::SOCK_STREAM, libc::IPPROTO_TCP));
            alternatives.push((vec![is(0, &[libc::AF_INET6 as u32])], Verdict::NoFamily));
        }
        Internet::Whole => {
            let both = [libc::AF_INET, libc::AF_INET6];
            alternatives.push(internet(&both, libc::SOCK_STREAM, libc::IPPROTO_TCP));
            alternatives.push(internet(&both, libc::SOCK_DGRAM, libc::IPPROTO_UDP));
        }
    }
    Rule { number: libc::SYS_socket as u32, when: When::First(alternatives), verdict: Verdict::Refuse }
}

/// Unix sockets alone have none that matter.
fn options(internet: Internet) -> Rule {
    if internet == Internet::None {
        return rule(libc::SYS_setsockopt, When::Always, Verdict::Allow);
    }
    let mut listed =
        vec![(libc::SOL_SOCKET, SOCKET_OPTIONS), (libc::IPPROTO_TCP, TCP_OPTIONS), (libc::IPPROTO_IP, IP_OPTIONS)];
    if internet == Internet::Whole {
        listed.push((libc::IPPROTO_IPV6, IPV6_OPTIONS));
    }
    let alternatives = listed
        .into_iter()
        .map(|(level, options)| (vec![is(1, &[level as u32]), is(2, &numbers(options))], Verdict::Allow))
        .collect();
    rule(libc::SYS_setsockopt, When::First(alternatives), Verdict::NoOption)
}

fn numbers(values: &[i32]) -> Vec<u32> {
    values.iter().map(|value| *value as u32).collect()
}
