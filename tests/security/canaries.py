"""Listeners and a secret where no sandbox may reach. Whatever arrives there has escaped."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from security.waiting import eventually

SECRET = "root:x:0:0:root:/root:/bin/bash\n"
ABSTRACT = "\0cm-canary"


class Canaries:
    """In `folder`: a secret and a Unix listener open to everyone. In `workspace`: sockets that a user forgot there."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        folder.mkdir(mode=0o755)
        self.folder = folder
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.secret.chmod(0o644)
        self.listeners = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": _bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "abstract": _abstract(),
            "unix": _at(folder / "canary.sock", socket.SOCK_STREAM),
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
        sock = str(self.folder / "canary.sock")
        return {"CANARY_TCP": tcp, "CANARY_UDP": udp, "SECRET_PATH": str(self.secret), "SOCK_PATH": sock}

    def visited(self) -> list[str]:
        """Where anybody came since the last call."""
        return [name for name, listener in self.listeners.items() if _came(listener)]

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.close()
        shutil.rmtree(self.folder)


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
