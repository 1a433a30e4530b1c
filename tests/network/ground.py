"""The arena's servers in a network namespace that the test made, served by threads of the test itself.

A socket stays in the namespace that it was made in. One thread goes there for good, makes whatever socket is asked for,
and ends with the ground.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from network.authority import Authority
from network.nameserver import Nameserver, Question
from network.peers import Peers, trespasses
from network.places import DATAGRAM_PORTS, NAMESERVER, PORTS, is_allowed
from network.zone import ALIASED
from security.namespaces import CLONE_NEWNET, call, only_loopback

T = TypeVar("T")
_KINDS = {"A", "AAAA"}


class Ground:
    """`near`: a process in the namespace, which has the addresses already (`link.assign`)."""

    def __init__(self, near: int, authority: Authority) -> None:
        self.authority = authority
        self._there = ThreadPoolExecutor(1, "inside", initializer=_go_to, initargs=(near,))
        try:
            # What the machine itself could reach is not there, or nothing is done.
            self.inside(only_loopback)
            self.names = Nameserver(*self.inside(_name_sockets))
            self.peers = Peers(*self.inside(_listeners), authority.context)
        except BaseException:
            self._there.shutdown()
            raise

    def inside(self, do: Callable[[], T]) -> T:
        """Called by the thread that is there: the sockets that it makes are of that namespace."""
        return self._there.submit(do).result()

    def begin(self) -> None:
        """Forgets everything that happened so far."""
        self.names.begin()
        self.peers.begin()

    def trespasses(self, *also: str) -> list[str]:
        """What happened since `begin` that no policy of the arena allows; `also`: see `peers.trespasses`."""
        self.peers.settle(self._knock)
        asked = [f"asked for {question}" for question in self.names.asked if not _may_be_asked(question)]
        return asked + trespasses(self.peers.visits, also)

    def _knock(self, kind: int, port: int) -> socket.socket:
        return self.inside(lambda: _connected(kind, port))

    def close(self) -> None:
        self.names.close()
        self.peers.close()
        self._there.shutdown()


def _may_be_asked(question: Question) -> bool:
    """What an allowed name is an alias of is its owner's choice."""
    return (is_allowed(question.name) or question.name in ALIASED) and question.kind in _KINDS


def _go_to(near: int) -> None:
    assert threading.current_thread() is not threading.main_thread()
    with open(f"/proc/{near}/ns/net") as namespace:
        call("setns", namespace.fileno(), CLONE_NEWNET)


def _connected(kind: int, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.connect(("127.0.0.1", port))
    return made


def _name_sockets() -> tuple[socket.socket, socket.socket]:
    udp = _reusable(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((NAMESERVER, 53))
    return udp, socket.create_server((NAMESERVER, 53))


def _listeners() -> tuple[list[socket.socket], list[socket.socket]]:
    """On every address of both families at once."""
    listeners = [
        socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512) for port in PORTS
    ]
    datagrams = []
    for port in DATAGRAM_PORTS:
        heard = _reusable(socket.AF_INET6, socket.SOCK_DGRAM)
        heard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        heard.bind(("", port))
        datagrams.append(heard)
    return listeners, datagrams


def _reusable(family: int, kind: int) -> socket.socket:
    """The name server has its own address; the same port everywhere else is somebody else's."""
    made = socket.socket(family, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made
