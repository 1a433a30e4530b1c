"""A scripted name server: it answers from the zone and remembers every question."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSError, DNSRecord

from network.zone import FAILURE, NO_SUCH_NAME, SILENCE, Answer, answers


def _record(kind: str, value: str) -> A | AAAA | CNAME:
    if kind == "CNAME":
        return CNAME(value)
    return {"A": A, "AAAA": AAAA}[kind](tuple(ipaddress.ip_address(value).packed))


@dataclass(frozen=True)
class Question:
    name: str
    kind: str  # A, AAAA, TXT, …; the number where it has no name
    transport: str  # udp or tcp


class Nameserver:
    """Over one UDP socket and one TCP listener, both made by the caller, in whatever namespace; closed with it."""

    def __init__(self, udp: socket.socket, tcp: socket.socket) -> None:
        self._udp, self._listeners = udp, [tcp]
        self._lock = threading.Lock()
        self._asked: list[Question] = []
        self._turns: Counter[tuple[str, str]] = Counter()
        threading.Thread(target=self._serve_datagrams, daemon=True).start()
        threading.Thread(target=self._serve_streams, args=(tcp,), daemon=True).start()

    def also_over(self, tcp: socket.socket) -> None:
        self._listeners.append(tcp)
        threading.Thread(target=self._serve_streams, args=(tcp,), daemon=True).start()

    @property
    def asked(self) -> list[Question]:
        with self._lock:
            return list(self._asked)

    def begin(self) -> None:
        """Nothing was asked, and every sequence starts anew."""
        with self._lock:
            self._asked.clear()
            self._turns.clear()

    def answer(self, message: bytes, transport: str) -> bytes | None:
        """None: nothing is said."""
        try:
            query = DNSRecord.parse(message)
        except (DNSError, struct.error):
            return None
        name, kind = str(query.q.qname).removesuffix("."), str(QTYPE.get(query.q.qtype, query.q.qtype))
        answer = self._next(name, kind, transport)
        if answer.fails == SILENCE:
            return None
        reply = query.reply()
        reply.header.rcode = {NO_SUCH_NAME: RCODE.NXDOMAIN, FAILURE: RCODE.SERVFAIL}.get(answer.fails, RCODE.NOERROR)
        owner = name
        for record, value in answer.records:
            if record in (kind, "CNAME"):
                reply.add_answer(RR(owner, getattr(QTYPE, record), ttl=answer.ttl, rdata=_record(record, value)))
            owner = value if record == "CNAME" else owner
        packed: bytes = reply.pack()
        if transport == "udp" and len(packed) > 1232:
            reply.rr.clear()
            reply.header.tc = 1
            packed = reply.pack()
        return packed

    def _next(self, name: str, kind: str, transport: str) -> Answer:
        """By turns of each name and type: a client that asks for A and AAAA gets the same answer to both."""
        turn = (name.lower(), kind)
        with self._lock:
            self._asked.append(Question(name, kind, transport))
            script = answers(name)
            position = min(self._turns[turn], len(script) - 1)
            self._turns[turn] += 1
        return script[position]

    def _serve_datagrams(self) -> None:
        with suppress(OSError):
            while True:
                message, sender = self._udp.recvfrom(4096)
                if reply := self.answer(message, "udp"):
                    self._udp.sendto(reply, sender)

    def _serve_streams(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            while True:
                (length,) = struct.unpack(">H", exactly(connection, 2))
                if reply := self.answer(exactly(connection, length), "tcp"):
                    connection.sendall(struct.pack(">H", len(reply)) + reply)

    def close(self) -> None:
        for each in (self._udp, *self._listeners):
            # Wakes the thread that waits in it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def exactly(connection: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length:
        if not (more := connection.recv(length - len(got))):
            raise EOFError
        got += more
    return got
