"""A running `codemode serve` as the arena needs it, wherever it runs: on this machine, in a cage, in a container."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

from security.leftovers import Place

_TCP = re.compile(r"(?:grpc|http)://([^:/]+):(\d+)$")


@dataclass(frozen=True)
class Executor:
    """`family`: a process id, as seen here, whose descendants are everybody there is; `pid`: the daemon's own."""

    url: str
    key: str
    tier: str
    pid: int
    family: int
    # Where files of /outputs arrive, and what the executor calls that folder.
    outputs: Path
    outputs_there: tuple[str, ...]
    # Folders of the executor's side, seen from here, in which executions may leave nothing.
    shared: tuple[Path, ...]
    log: Callable[[], str]
    # The next one waits until it has ended.
    one_at_a_time: bool = False

    @property
    def place(self) -> Place:
        return Place(self.pid, self.family, self.shared)

    @property
    def port(self) -> int | None:
        found = _TCP.match(self.url)
        return int(found[2]) if found else None

    def arrived(self, told: str) -> Path:
        """Where a file is that a result names."""
        for folder in self.outputs_there:
            if Path(told).is_relative_to(folder):
                return self.outputs / Path(told).relative_to(folder)
        return Path(told)

    def http(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        connection = self._connection()
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request("GET" if body is None else "POST", path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if found := _TCP.match(self.url):
            return HTTPConnection(found[1], int(found[2]), timeout=60)
        return _OverUnix(self.url.removeprefix("unix://").removeprefix("unix:"))


class _OverUnix(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class Log:
    """What a daemon says. It has to be read, or the pipe fills and the daemon waits for its reader."""

    def __init__(self, pipe: IO[bytes], before: bytes = b"") -> None:
        self._pipe = pipe
        self._text = bytearray(before)
        self._more = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # The daemon's end ends it; a test that is over may have closed ours.
        with suppress(OSError, ValueError):
            while chunk := os.read(self._pipe.fileno(), 65536):
                with self._more:
                    self._text += chunk
                    self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def __call__(self) -> str:
        return self._text.decode(errors="replace")

    def says(self, words: str, patience: float) -> bool:
        with self._more:
            self._more.wait_for(lambda: words in self() or self._ended, patience)
            return words in self()
