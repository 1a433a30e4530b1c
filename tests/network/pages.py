"""What the arena's web servers serve, the same on every address: an echo, and ways to be a difficult peer."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from network.http1 import Request, Response, Stream

Page = Callable[[Request, dict[str, Any]], Response]
# A whole one is sent often; made once.
_BLOCK = bytes(range(256)) * 256
# Where an endless answer ends, should nobody stop it.
_MOST_BLOCKS = 1 << 16
MAGIC = b"arena-tunnel\n"


def echo(request: Request, about: dict[str, Any]) -> Response:
    told = {
        **about,
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body_length": len(request.body),
        "body_sha256": request.digest,
    }
    return Response(json.dumps(told).encode(), headers=(("Content-Type", "application/json"),))


def blocks(count: int) -> Iterator[bytes]:
    """So many bytes, in pieces."""
    whole, rest = divmod(count, len(_BLOCK))
    yield from itertools.repeat(_BLOCK, whole)
    if rest:
        yield _BLOCK[:rest]


def digest_of_blocks(count: int) -> str:
    digest = hashlib.sha256()
    for block in blocks(count):
        digest.update(block)
    return digest.hexdigest()


def _bytes(request: Request, _: dict[str, Any]) -> Response:
    return Response(b"".join(blocks(int(request.argument("count", "1")))))


def _chunked(request: Request, _: dict[str, Any]) -> Response:
    return Response(blocks(int(request.argument("count", "1"))))


def _endless(_: Request, __: dict[str, Any]) -> Response:
    return Response(itertools.repeat(_BLOCK, _MOST_BLOCKS))


def _slow(request: Request, _: dict[str, Any]) -> Response:
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        for number in range(int(request.argument("pieces", "3"))):
            pause.wait(float(request.argument("every", "0.05")))
            yield b"piece %d\n" % number

    return Response(pieces())


def _hold(_: Request, __: dict[str, Any]) -> Response:
    """Says that there will be a body, and never sends it."""
    return Response(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", then=_until_it_ends)


def _mute(_: Request, __: dict[str, Any]) -> Response:
    return Response(raw=b"", then=_until_it_ends)


def _redirect(request: Request, _: dict[str, Any]) -> Response:
    return Response(status="302 Found", headers=(("Location", request.argument("to")),))


def _upgrade(request: Request, _: dict[str, Any]) -> Response:
    """Agrees to any upgrade, and then speaks a protocol of its own: it returns what comes."""
    protocol = request.header("upgrade") or "none"
    head = f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
    return Response(raw=head.encode("latin-1") + MAGIC, then=_return_all)


def _two_answers(_: Request, __: dict[str, Any]) -> Response:
    """A response that nobody asked for follows at once: whoever shares the connection next may get it."""
    second = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED"
    return Response(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst" + second)


def _odd_framing(_: Request, __: dict[str, Any]) -> Response:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Response(raw=head + b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED")


def _long_head(_: Request, __: dict[str, Any]) -> Response:
    return Response(raw=b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * (8 << 20) + b"\r\nContent-Length: 0\r\n\r\n")


def _until_it_ends(stream: Stream) -> None:
    with suppress(OSError):
        while stream.recv(65536):
            pass


def _return_all(stream: Stream) -> None:
    with suppress(OSError):
        while chunk := stream.recv(65536):
            stream.sendall(chunk)


PAGES: dict[str, Page] = {
    "/bytes": _bytes,
    "/chunked": _chunked,
    "/endless": _endless,
    "/slow": _slow,
    "/hold": _hold,
    "/mute": _mute,
    "/redirect": _redirect,
    "/upgrade": _upgrade,
    "/two-answers": _two_answers,
    "/odd-framing": _odd_framing,
    "/long-head": _long_head,
}
