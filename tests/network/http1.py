"""Just enough HTTP/1 to serve real clients, and lenient on purpose: whatever a peer managed to send is taken down."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

LONGEST_HEAD = 1 << 18
_LINE = re.compile(rb"\r?\n")
Stream = socket.socket


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    head: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def path(self) -> str:
        """Of whatever stands there: a target may be no URL at all."""
        scheme, mark, rest = self.target.partition("://")
        path = "/" + rest.partition("/")[2] if mark and "/" not in scheme else self.target
        return path.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def argument(self, name: str, default: str = "") -> str:
        return parse_qs(self.query).get(name, [default])[0]

    @property
    def stays_open(self) -> bool:
        return (self.header("connection") or "").lower() != "close"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True)
class Response:
    """With `body` as pieces it is chunked and may have no end; `raw` is sent as it is instead of all."""

    body: bytes | Iterable[bytes] = b""
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    # What to do with the connection after the response, besides reading the next request.
    then: Callable[[Stream], None] | None = None


class Reader:
    """A connection's bytes, kept from the first on."""

    def __init__(self, stream: Stream, keep: bytearray) -> None:
        self._stream, self._keep = stream, keep
        self._ahead = b""

    def _more(self) -> bool:
        chunk = self._stream.recv(65536)
        if len(self._keep) < LONGEST_HEAD:
            self._keep += chunk
        self._ahead += chunk
        return bool(chunk)

    def until(self, mark: bytes) -> bytes:
        while mark not in self._ahead:
            if len(self._ahead) > LONGEST_HEAD or not self._more():
                raise EOFError
        before, _, self._ahead = self._ahead.partition(mark)
        return before

    def exactly(self, length: int) -> bytes:
        pieces, missing = [], length
        if length < 0:
            raise ValueError(f"a length of {length}")
        while missing:
            if not self._ahead and not self._more():
                raise EOFError
            pieces.append(self._ahead[:missing])
            self._ahead = self._ahead[len(pieces[-1]) :]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def request(self) -> Request:
        head = self.until(b"\r\n\r\n")
        first, *lines = _LINE.split(head.lstrip(b"\r\n"))
        method, target, *_ = [*first.decode("latin-1").split(" "), "", ""]
        pairs = (line.decode("latin-1").partition(":") for line in lines)
        headers = tuple((name.strip(), value.strip()) for name, _, value in pairs)
        return Request(method, target, headers, self._body({key.lower(): value for key, value in headers}), head)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return b"".join(iter(self._chunk, b""))
        return self.exactly(int(headers.get("content-length") or 0))

    def _chunk(self) -> bytes:
        size = int(self.until(b"\r\n").partition(b";")[0], 16)
        chunk = self.exactly(size)
        if size:
            self.until(b"\r\n")
        else:
            while self.until(b"\r\n"):
                pass
        return chunk


def send(stream: Stream, request: Request, response: Response) -> None:
    if response.raw is not None:
        stream.sendall(response.raw)
    else:
        known = isinstance(response.body, bytes)
        framing = ("Content-Length", str(len(response.body))) if known else ("Transfer-Encoding", "chunked")  # type: ignore[arg-type]
        lines = [f"HTTP/1.1 {response.status}", *(": ".join(pair) for pair in (framing, *response.headers))]
        stream.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if request.method != "HEAD":
            _send_body(stream, response.body)
    if response.then:
        response.then(stream)


def _send_body(stream: Stream, body: bytes | Iterable[bytes]) -> None:
    if isinstance(body, bytes):
        stream.sendall(body)
        return
    for piece in body:
        stream.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    stream.sendall(b"0\r\n\r\n")
