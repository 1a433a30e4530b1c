"""What stands where proxy and resolver would be when the walls are down: it asks nobody and believes anything.

The mistakes that egress proxies were found with are made here on purpose. It shows that the programs of the corpus can
get through.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from urllib.parse import unquote

from dnslib import QTYPE, DNSRecord
from dnslib.label import DNSLabelError

from network.ground import Ground
from network.nameserver import exactly

PROXY, RESOLVER = ("127.0.0.1", 3128), ("127.0.0.1", 53)
_LONGEST_HEAD = 1 << 20
_ENDS = (b"\r\n\r\n", b"\n\n")


class NaiveEgress:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._listener = ground.inside(lambda: socket.create_server(PROXY, backlog=512))
        ground.names.also_over(ground.inside(lambda: socket.create_server(RESOLVER, backlog=512)))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError, ValueError, IndexError, OverflowError, DNSLabelError):
            client.settimeout(60)
            first = client.recv(1, socket.MSG_PEEK)
            serve = {b"\4": self._socks4, b"\5": self._socks5}.get(first, self._http)
            serve(client)

    def _http(self, client: socket.socket) -> None:
        """What is to go to a URL goes there with the first line; for the rest the head has to be there."""
        seen = b""
        while not (b"://" in seen.partition(b"\n")[0] and b"\n" in seen) and not any(end in seen for end in _ENDS):
            if len(seen) > _LONGEST_HEAD or not (more := client.recv(65536)):
                return
            seen += more
        line, _, rest = seen.decode("latin-1").partition("\n")
        method, _, target = line.strip().rpartition(" HTTP")[0].partition(" ")
        if method.upper() == "CONNECT":
            host, _, port = target.strip().rpartition(":")
            with self._dial(host, int(port or 443)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                ahead = seen[seen.find(b"\n\n") + 2 :] if b"\r\n\r\n" not in seen else seen.partition(b"\r\n\r\n")[2]
                server.sendall(ahead)
                _pump(client, server)
            return
        authority = target.partition("://")[2].partition("/")[0] or _host_of(rest)
        host, port = _split(authority)
        with self._dial(host, port) as server:
            server.sendall(seen)
            _pump(client, server)

    def _socks5(self, client: socket.socket) -> None:
        exactly(client, 1)
        exactly(client, exactly(client, 1)[0])
        client.sendall(b"\5\0")
        _, command, _, kind = exactly(client, 4)
        length = {1: 4, 4: 16}.get(kind) or exactly(client, 1)[0]
        name = exactly(client, length)
        port = int.from_bytes(exactly(client, 2), "big")
        host = str(ipaddress.ip_address(name)) if kind != 3 else name.decode("latin-1")
        if command != 1:
            client.sendall(b"\5\0\0\1" + bytes(6))
            return
        with self._dial(host, port) as server:
            client.sendall(b"\5\0\0\1" + bytes(6))
            _pump(client, server)

    def _socks4(self, client: socket.socket) -> None:
        head = exactly(client, 8)
        port, host = int.from_bytes(head[2:4], "big"), str(ipaddress.ip_address(head[4:8]))
        texts = [b"", b""] if head[4:7] == bytes(3) else [b""]
        for number in range(len(texts)):
            while (byte := exactly(client, 1)) != b"\0":
                texts[number] += byte
        with self._dial(texts[-1].decode("latin-1") if len(texts) == 2 else host, port) as server:
            client.sendall(b"\0Z" + bytes(6))
            _pump(client, server)

    def _dial(self, host: str, port: int) -> socket.socket:
        address = self._resolve(host)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self._ground.inside(lambda: _connected(family, address, port))

    def _resolve(self, host: str) -> str:
        """The way of a parser that wants to please: cuts, decodes and guesses until something is left."""
        plain = unquote(host).rpartition("@")[2].partition("\0")[0].strip("[]. \t\r\n\x0b\x0c\x7f\x85\xa0")
        plain = plain.partition("#")[0].partition("?")[0].partition("\\")[0].partition("%")[0]
        with suppress(OSError):
            return socket.inet_ntoa(socket.inet_aton(plain))
        with suppress(ValueError):
            return str(ipaddress.IPv6Address(plain))
        for kind in ("A", "AAAA"):
            question = DNSRecord.question(plain.encode("latin-1").decode("utf-8", "replace"), kind)
            reply = DNSRecord.parse(self._ground.names.answer(question.pack(), "naive") or question.pack())
            found = [str(record.rdata) for record in reply.rr if record.rtype == getattr(QTYPE, kind)]
            if found:
                return found[0]
        raise OSError(f"no address of {plain}")


def _host_of(headers: str) -> str:
    values = [line.partition(":")[2].strip() for line in headers.splitlines() if line.lower().startswith("host")]
    return values[-1] if values else ""


def _split(authority: str) -> tuple[str, int]:
    if authority.endswith("]") or ":" not in authority:
        return authority, 80
    host, _, port = authority.rpartition(":")
    return (host, int(port)) if port.isdigit() else (authority, 80)


def _connected(family: int, address: str, port: int) -> socket.socket:
    made = socket.socket(family)
    try:
        made.settimeout(10)
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    made.settimeout(60)
    return made


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until both have ended."""
    back = threading.Thread(target=_copy, args=(other, one), daemon=True)
    back.start()
    _copy(one, other)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
