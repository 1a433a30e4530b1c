"""What the keys do that say where an application of the published package serves its tools. The package itself is in
tests/frameworks/opencodemode; here a socket sees who dials it, and how.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.test_tls_client import Authority

if TYPE_CHECKING:
    from conformance.sidecar_effects import Serve, Served

ANYWHERE: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
TARGET = "main_app_grpc_target"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LIMIT = 60.0


def ask_whether_ready(served: Served) -> None:
    """As the published client does, for which the executor asks the application. One empty message, and no answer
    that the test would read.
    """
    url = f"http://{served.address}/codemode.ExecutorService/Ready"
    request = urllib.request.Request(url, b"\0\0\0\0\0", {"content-type": "application/grpc", "te": "trailers"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_LIMIT) as answer:
        answer.read()


class Door:
    """A port of an application."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(_LIMIT)
        self.target = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def knocked(self, served: Served, tls: ssl.SSLContext | None = None) -> tuple[bytes, Any]:
        """How whoever dials begins to speak, and the certificate that it shows."""
        asking = threading.Thread(target=ask_whether_ready, args=(served,))
        asking.start()
        try:
            with self._socket.accept()[0] as plain:
                plain.settimeout(_LIMIT)
                if tls is None:
                    return plain.recv(len(PREFACE), socket.MSG_WAITALL), None
                with tls.wrap_socket(plain, server_side=True) as secured:
                    return secured.recv(len(PREFACE)), secured.getpeercert()
        finally:
            asking.join(_LIMIT)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def application(authority: Authority, clients: Authority | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.server.cert, authority.server.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.bundle)
    return context


def made(serve: Serve) -> Authority:
    return Authority(Path(tempfile.mkdtemp(dir=serve.folder)))


def target(serve: Serve) -> None:
    with Door() as door, serve({**ANYWHERE, TARGET: door.target}) as served:
        assert door.knocked(served) == (PREFACE, None)
    assert "must be HOST:PORT or unix:PATH" in serve.refusal({**ANYWHERE, TARGET: "nowhere"})


def enabled(serve: Serve) -> None:
    """The authorities of this machine vouch for the application."""
    ours = made(serve)
    with Door() as door:
        settings = {**ANYWHERE, TARGET: door.target}
        with serve({**settings, "callback_tls.enabled": True}, SSL_CERT_FILE=str(ours.bundle)) as served:
            assert door.knocked(served, application(ours))[0] == PREFACE
        with serve({**settings, "callback_tls.enabled": False}) as served:
            assert door.knocked(served) == (PREFACE, None)
    assert f"has no effect without {TARGET}" in serve.refusal({**ANYWHERE, "callback_tls.enabled": True})


def ca_file(serve: Serve) -> None:
    ours, strangers = made(serve), made(serve)
    with Door() as door, serve({**ANYWHERE, TARGET: door.target, "callback_tls.ca_file": str(ours.bundle)}) as served:
        assert door.knocked(served, application(ours))[0] == PREFACE
    settings = {**ANYWHERE, TARGET: door.target, "callback_tls.ca_file": str(strangers.bundle)}
    with Door() as door, serve({**settings, TARGET: door.target}) as served:
        try:
            said = door.knocked(served, application(ours))[0]
        except ssl.SSLError:
            said = b""
        assert said == b""
    assert "cannot read" in serve.refusal({**settings, "callback_tls.ca_file": str(serve.folder / "absent.pem")})


def identity(serve: Serve) -> None:
    """Each needs the other."""
    ours = made(serve)
    pair = {"callback_tls.client_cert": str(ours.client.cert), "callback_tls.client_key": str(ours.client.key)}
    with Door() as door:
        settings = {**ANYWHERE, TARGET: door.target, "callback_tls.ca_file": str(ours.bundle)}
        with serve({**settings, **pair}) as served:
            said, shown = door.knocked(served, application(ours, ours))
            assert said == PREFACE and ("DNS", "client") in shown["subjectAltName"]
    other = next(key for key in pair if key != serve.key)
    assert f"needs {other}" in serve.refusal({**settings, serve.key: pair[serve.key]})


EFFECTS: dict[str, Callable[[Serve], None]] = {
    TARGET: target,
    "callback_tls.enabled": enabled,
    "callback_tls.ca_file": ca_file,
    "callback_tls.client_cert": identity,
    "callback_tls.client_key": identity,
}
