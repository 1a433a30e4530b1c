"""What the egress benchmark runs in the sandbox, the same text in every contestant. Standard library only.

`measured(way, ...)` is called by the line that is put behind this text.
"""

from __future__ import annotations

import http.client
import os
import ssl
import time
from urllib.parse import urlsplit

HOST = "files.bench.test"
SMALL = 64
CONTEXT = ssl.create_default_context()
BUFFER = bytearray(1 << 20)


def measured(way: str, size: int, fresh: int, kept: int) -> dict[str, object]:
    """`way`: `given`, with the proxy variables as they are; `none`, without them; or a proxy's URL.

    Bytes per second of a download of `size`, and milliseconds of so many small requests.
    """
    if way != "given":
        for name in ("http_proxy", "https_proxy"):
            os.environ[name] = "" if way == "none" else way
    for scheme in ("https", "http"):
        request(opened(scheme), scheme, SMALL)
    return {
        "https": download("https", size),
        "paced": download("https", size, "/paced"),
        "http": download("http", size),
        "fresh": [once() for _ in range(fresh)],
        "kept": many("https", kept),
        "kept_http": many("http", kept),
    }


def opened(scheme: str) -> http.client.HTTPConnection:
    proxy = urlsplit(os.environ.get(f"{scheme}_proxy", ""))
    if scheme == "http":
        return http.client.HTTPConnection(proxy.hostname or HOST, proxy.port or 80, timeout=60)
    connection = http.client.HTTPSConnection(
        proxy.hostname or HOST, proxy.port or 443, timeout=60, context=CONTEXT
    )  # fmt: skip
    if proxy.hostname:
        connection.set_tunnel(HOST, 443)
    return connection


def request(connection: http.client.HTTPConnection, scheme: str, size: int, path: str = "") -> None:
    """The whole answer is read and counted."""
    whole = f"http://{HOST}" if scheme == "http" and os.environ.get("http_proxy") else ""
    connection.request("GET", f"{whole}{path}/{size}", headers={"Host": HOST})
    answer = connection.getresponse()
    got = 0
    while count := answer.readinto(BUFFER):
        got += count
    if (answer.status, got) != (200, size):
        raise RuntimeError(f"status {answer.status}, {got} of {size} bytes")


def download(scheme: str, size: int, path: str = "") -> float:
    begin = time.perf_counter()
    connection = opened(scheme)
    request(connection, scheme, size, path)
    seconds = time.perf_counter() - begin
    connection.close()
    return size / seconds


def once() -> float:
    """From nothing to the last byte: name, connection, tunnel, handshake, request, answer."""
    begin = time.perf_counter()
    connection = opened("https")
    request(connection, "https", SMALL)
    taken = time.perf_counter() - begin
    connection.close()
    return taken * 1000


def many(scheme: str, count: int) -> list[float]:
    """On one connection that is kept; the first request, which opens it, is not among them."""
    connection = opened(scheme)
    request(connection, scheme, SMALL)
    samples = []
    for _ in range(count):
        begin = time.perf_counter()
        request(connection, scheme, SMALL)
        samples.append((time.perf_counter() - begin) * 1000)
    connection.close()
    return samples
