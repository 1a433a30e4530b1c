"""Listeners and a secret where no sandbox may reach. Whatever arrives there has escaped."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from security.namespaces import CLONE_NEWNET, call
from security.waiting import eventually

SECRET = "root:x:0:0:root:/root:/bin/bash\n"
ABSTRACT = "\0cm-canary"


class Canaries:
    """In `folder`: a secret and a Unix listener open to everyone. In `workspace`: sockets that a user forgot there.

    `near`: a process in whose network namespace they listen, and in whose root the folder is; this one's otherwise.
    """

    def __init__(self, folder: Path, workspace: Path, near: int | None = None) -> None:
        self.folder = folder
        self._seen_here = Path(f"/proc/{near}/root{folder}") if near else folder
        self._seen_here.mkdir(mode=0o755)
        secret = self._seen_here / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o644)
        self.listeners = {
            **(_network() if near is None else _in_network_of(near)),
            "unix": _at(self._seen_here / "canary.sock", socket.SOCK_STREAM),
            "unix in the workspace": _at(workspace / "odd" / "host.sock", socket.SOCK_STREAM),
            "datagrams in the workspace": _at(workspace / "odd" / "host.dgram", socket.SOCK_DGRAM),
        }
        for listener in self.listeners.values():
            if listener.type == socket.SOCK_STREAM:
                listener.listen()
            listener.setblocking(False)

    @property
    def places(self) -> dict[str, str]:
        tcp, udp = (":".join(map(str, self.listeners[name].getsockname())) for name in ("tcp", "udp"))
        secret, sock = str(self.folder / "secret"), str(self.folder / "canary.sock")
        return {"CANARY_TCP": tcp, "CANARY_UDP": udp, "SECRET_PATH": secret, "SOCK_PATH": sock}

    def visited(self) -> list[str]:
        """Where anybody came since the last call."""
        return [name for name, listener in self.listeners.items() if _came(listener)]

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.close()
        shutil.rmtree(self._seen_here)


def _network() -> dict[str, socket.socket]:
    return {
        "tcp": socket.create_server(("127.0.0.1", 0)),
        "udp": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "abstract": _abstract(),
    }


def _in_network_of(pid: int) -> dict[str, socket.socket]:
    """A socket stays in the namespace that it was made in; the thread that makes it goes there for good, and ends."""
    made: Future[dict[str, socket.socket]] = Future()

    def make() -> None:
        try:
            with open(f"/proc/{pid}/ns/net") as namespace:
                call("setns", namespace.fileno(), CLONE_NEWNET)
            made.set_result(_network())
        except BaseException as error:  # BLE001: whatever it was, the one who waits is to be told
            made.set_exception(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made.result()


def _came(listener: socket.socket) -> bool:
    receive: Callable[[], object] = (
        (lambda: listener.accept()[0].close()) if listener.type == socket.SOCK_STREAM else lambda: listener.recv(1)
    )
    came = False
    with suppress(BlockingIOError):
        while True:  # all of them, or the next program would be blamed
            receive()
            came = True
    return came


def _bound(family: int, kind: int, address: str | tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, kind)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _at(path: Path, kind: int) -> socket.socket:
    listener = _bound(socket.AF_UNIX, kind, str(path))
    os.chmod(path, 0o777)
    return listener


def _abstract() -> socket.socket:
    """The name is the corpus's, so a second run of the suite on this machine has to wait for the first."""

    def attempt() -> socket.socket | None:
        try:
            return _bound(socket.AF_UNIX, socket.SOCK_STREAM, ABSTRACT)
        except OSError:
            return None

    listener = eventually(attempt, 60)
    assert listener, "the abstract socket @cm-canary is taken by another process"
    return listener
