"""System calls of x86-64 by what a sandbox needs them for. A trace knows their numbers only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from profile_events import ENTER, EXIT, MADVISE, Event

MACHINE = "x86_64"

WRITE, WAIT4, WAITID, EXIT_GROUP = 1, 61, 247, 231
# write, sendto, sendmsg, writev
SENDS = {WRITE, 44, 46, 20}
# read, recvfrom, recvmsg, readv
RECEIVES = {0, 45, 47, 19}
FORKS = {56, 57, 58, 435}
MOUNTS = "mounts"
NAMES = "host name, loopback"
IDENTITY = "identity, rights, limits"
LANDLOCK = "Landlock"
SECCOMP = "seccomp"
FORK = "fork"
CHANNELS = "sockets, waiting for readiness"
DESCRIPTORS = "descriptors put in place and closed"
FILES = "files"
MEMORY = "memory"
PAGES = "pages that an execution will touch, brought at once"
OTHER = "other calls"

KINDS: dict[str, set[int]] = {
    # mount, umount2, pivot_root, open_tree … fspick, mount_setattr
    MOUNTS: {165, 166, 155, 428, 429, 430, 431, 432, 433, 442},
    # sethostname, setdomainname, socket, bind, listen
    NAMES: {170, 171, 41, 49, 50},
    # set*id, get*id, setgroups, prctl, capget, capset, setsid, rlimits
    IDENTITY: {102, 104, 105, 106, 107, 108, 112, 113, 114, 115, 116, 117, 118, 119, 120, 125, 126, 157, 97, 160, 302},
    LANDLOCK: {444, 445, 446},
    SECCOMP: {317},
    FORK: FORKS,
    # poll, ppoll, epoll, futex, send*, recv*, socketpair, shutdown, eventfd
    CHANNELS: {7, 271, 232, 233, 281, 202, 44, 45, 46, 47, 48, 53, 290},
    DESCRIPTORS: {3, 436, 32, 33, 292, 72, 22, 293},
    # read, write, stat…, lseek, pread, openat, mkdir, rmdir, unlink, getdents, readlink, statfs, statx
    FILES: {0, 1, 4, 5, 6, 8, 17, 18, 19, 20, 2, 257, 437, 262, 332, 83, 84, 87, 258, 263, 217, 89, 267, 137, 138, 80},
    MEMORY: {9, 10, 11, 12, 25},
    PAGES: {MADVISE},
}
KIND = {number: kind for kind, numbers in KINDS.items() for number in numbers}


@dataclass(frozen=True)
class Call:
    number: int
    begin: float
    end: float
    value: int

    @property
    def kind(self) -> str:
        return KIND.get(self.number, OTHER)


def calls(events: Sequence[Event], task: int) -> Iterator[Call]:
    """Of one task, those that came back."""
    begun: Event | None = None
    for event in events:
        if event.task != task:
            continue
        if event.name == ENTER:
            begun = event
        elif event.name == EXIT and begun is not None and begun.other == event.other:
            yield Call(event.other, begun.time, event.time, event.value)
            begun = None
