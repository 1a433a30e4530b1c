"""The servers of the arena: every address and port is heard, and whoever comes is taken down, byte by byte."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from network.http1 import Reader, Request, Response, send
from network.pages import PAGES, Page, echo
from network.places import EVIL, GOOD, GOOD_V6, HTTP, INTERNAL, LISTED, LISTED_PORTS, is_allowed

HANDSHAKE = 0x16
# A connection that says nothing for so long is given up; the programs have less time.
_PATIENCE = 90.0
# How long those whose execution has ended may take until their connections have.
_LAST_WORDS = 5.0
# A request that a program tries to get past whoever judges requests asks for this.
_UNJUDGED = "/forbidden"


@dataclass
class Visit:
    """One connection, or one datagram. `raw`: the first bytes that came, as they came on the wire."""

    address: str
    port: int
    # The port of whoever came.
    peer: int
    raw: bytearray = field(default_factory=bytearray)
    secure: bool = False
    sni: str | None = None
    requests: list[Request] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        heads = [request.head[:200] for request in self.requests]
        return f"{self.address}:{self.port} sni={self.sni} {heads or bytes(self.raw[:60])}"


class Peers:
    def __init__(
        self,
        listeners: Iterable[socket.socket],
        datagrams: Iterable[socket.socket],
        context: Callable[[Visit], ssl.SSLContext],
    ) -> None:
        self._sockets = [*listeners, *datagrams]
        self._context = context
        self._changed = threading.Condition()
        self._visits: list[Visit] = []
        self._open: set[socket.socket] = set()
        self.pages: dict[str, Page] = dict(PAGES)
        for each in self._sockets:
            serve = self._accept if each.type == socket.SOCK_STREAM else self._receive
            threading.Thread(target=serve, args=(each,), daemon=True).start()

    @property
    def visits(self) -> list[Visit]:
        with self._changed:
            return list(self._visits)

    def begin(self) -> None:
        """Whoever came before is forgotten, and who is still there is sent away."""
        with self._changed:
            self._visits.clear()
            still = list(self._open)
        for connection in still:
            _end(connection)

    def wait(self, condition: Callable[[list[Visit]], object], seconds: float = 20.0) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(lambda: condition(self._visits), seconds))

    def settle(self, knock: Callable[[int, int], socket.socket]) -> None:
        """Everybody who has come is in `visits`, and what they sent is read, but for those who stay.

        `knock` makes a socket of a kind, connected to a port here: when that is seen, so is whoever came before.
        """
        for each in self._sockets:
            port = each.getsockname()[1]
            with knock(each.type, port) as ours:
                if each.type == socket.SOCK_DGRAM:
                    ours.send(b"knock")
                self._open_to(ours.getsockname()[1], port)
        self.wait(lambda visits: all(visit.ended.is_set() for visit in visits), _LAST_WORDS)

    def _open_to(self, peer: int, port: int) -> None:
        """Waits for one visit, and forgets it."""

        def found(visits: list[Visit]) -> list[Visit]:
            return [visit for visit in visits if (visit.peer, visit.port) == (peer, port)]

        assert self.wait(found), f"nobody answers at port {port}"
        with self._changed:
            for visit in found(self._visits):
                self._visits.remove(visit)

    def close(self) -> None:
        for each in self._sockets:
            _end(each)
            each.close()
        self.begin()

    def _receive(self, datagrams: socket.socket) -> None:
        with suppress(OSError):
            while True:
                message, sender = datagrams.recvfrom(65536)
                if not sender:
                    return  # closed
                visit = Visit("datagram", datagrams.getsockname()[1], sender[1], bytearray(message))
                visit.ended.set()
                self._note(visit)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, peer = listener.accept()
                visit = Visit(*_local(connection), peer[1])
                with self._changed:
                    self._open.add(connection)
                self._note(visit)
                threading.Thread(target=self._host, args=(connection, visit), daemon=True).start()

    def _host(self, connection: socket.socket, visit: Visit) -> None:
        try:
            with connection:
                connection.settimeout(_PATIENCE)
                self._converse(connection, visit)
        except (OSError, EOFError, ValueError):
            pass  # a peer may end as it likes, and send what it likes; what it sent is in the visit
        finally:
            with self._changed:
                self._open.discard(connection)
                visit.ended.set()
                self._changed.notify_all()

    def _converse(self, connection: socket.socket, visit: Visit) -> None:
        first = connection.recv(4096, socket.MSG_PEEK)
        if first[:1] == bytes([HANDSHAKE]):
            visit.secure = True
            visit.raw += first
            connection = self._context(visit).wrap_socket(connection, server_side=True)
        reader = Reader(connection, bytearray() if visit.secure else visit.raw)
        while True:
            request = reader.request()
            with self._changed:
                visit.requests.append(request)
                self._changed.notify_all()
            send(connection, request, self._page(request, visit))
            if not request.stays_open:
                return

    def _page(self, request: Request, visit: Visit) -> Response:
        about: dict[str, Any] = {
            "address": visit.address, "port": visit.port, "secure": visit.secure, "sni": visit.sni,
        }  # fmt: skip
        longest = max((prefix for prefix in self.pages if request.path.startswith(prefix)), key=len, default="")
        return self.pages.get(longest, echo)(request, about)

    def _note(self, visit: Visit) -> None:
        with self._changed:
            self._visits.append(visit)
            self._changed.notify_all()


def _local(connection: socket.socket) -> tuple[str, int]:
    """A mapped address is written as what it is."""
    host, port = connection.getsockname()[:2]
    return host.removeprefix("::ffff:"), port


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def trespasses(visits: Iterable[Visit], also: Iterable[str] = ()) -> list[str]:
    """What no rule of the arena's policies allows, in words. `also`: addresses that this policy adds to the usual."""
    welcome = {GOOD, GOOD_V6, LISTED, *also}
    return [f"{reason}: {visit}" for visit in visits if (reason := _trespass(visit, welcome))]


def _trespass(visit: Visit, welcome: set[str]) -> str:
    if visit.address == "datagram":
        return "a datagram"
    if visit.address not in welcome:
        return "arrived where nobody may" if visit.address != EVIL else "arrived at a host that is not listed"
    if visit.port not in LISTED_PORTS:
        return "a port that is not listed"
    if visit.secure and not _right_sni(visit):
        return "a TLS name that is not listed"
    # A connection over which nothing came says nothing: the proxy makes it before it has seen the handshake.
    if not visit.secure and visit.port != HTTP and visit.raw:
        return "no TLS on a TLS port"
    return next((reason for request in visit.requests if (reason := _wrong_request(request, visit))), "")


def _right_sni(visit: Visit) -> bool:
    return is_allowed(visit.sni) if visit.sni is not None else visit.address == LISTED


def _wrong_request(request: Request, visit: Visit) -> str:
    if request.path == _UNJUDGED:
        return "a request that nobody judged"
    if visit.secure:
        return ""  # within TLS nobody but the two ends sees it
    hosts = [re.sub(r":\d*$", "", host) for host in request.all("host")]
    own = [host for host in hosts if is_allowed(host) or (host in (LISTED, INTERNAL) and host == visit.address)]
    if len(hosts) != 1 or own != hosts:
        return f"a Host that is not listed ({hosts})"
    lengths, codings = request.all("content-length"), request.all("transfer-encoding")
    if len(lengths) > 1 or (lengths and codings):
        return "ambiguous framing"
    if request.all("upgrade") or request.method in ("TRACE", "CONNECT"):
        return f"an upgrade or {request.method}"
    return ""
