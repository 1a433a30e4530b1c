"""One container, seen from the host."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_START_LIMIT = 60.0
# The image checks every 5 seconds, the first time after as long.
_HEALTH_LIMIT = 60.0


def docker(*words: str) -> str:
    """Standard output of a docker command that has to succeed."""
    ran = subprocess.run(["docker", *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 0, f"docker {' '.join(words)}: {ran.stderr or ran.stdout}"
    return ran.stdout


class Container:
    """Ends with the `with` block, whatever the test did to it."""

    def __init__(
        self, name: str, url: str, remove: Callable[[], object], socket: Path | None = None, gateway: str | None = None
    ) -> None:
        self.name = name
        self.url = url
        self.socket = socket
        self.gateway = gateway
        """The container in front, where there is one."""
        self._remove = remove

    def inspect(self) -> Any:
        (document,) = json.loads(docker("inspect", self.name))
        return document

    def logs(self) -> str:
        ran = subprocess.run(
            ["docker", "logs", self.name], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return ran.stdout

    def exec(self, *words: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command in the running container, with the container's own rights."""
        options = ["--user", user] if user else []
        command = ["docker", "exec", *options, self.name, *words]
        return subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    @property
    def pid(self) -> int:
        """The executor's, as this process sees it: the one child of the container's init."""
        init = self.inspect()["State"]["Pid"]
        (executor,) = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        return int(executor)

    def stop(self) -> int:
        """As an operator does; the exit code."""
        docker("stop", self.name)
        return int(self.inspect()["State"]["ExitCode"])

    def remove(self) -> None:
        self._remove()

    def wait_for_log(self, text: str) -> str:
        """The first line that holds `text`, from the beginning of the log. A container that ends before is an error."""
        with self.log_lines() as lines:
            seen = ""
            for line in lines:
                if text in line:
                    return line
                seen += line
        raise AssertionError(f"the log of {self.name} ended, or stayed silent, before `{text}`:\n{seen}")

    @contextmanager
    def log_lines(self, limit: float = _START_LIMIT) -> Iterator[Iterator[str]]:
        """The log as it grows, until the container ends or nothing came for so long."""
        follow = subprocess.Popen(
            ["docker", "logs", "--follow", self.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            yield _lines(follow, time.monotonic() + limit)
        finally:
            follow.kill()
            follow.wait()
            if follow.stdout:
                follow.stdout.close()

    def wait_until_healthy(self) -> None:
        """What the engine says after the image's own HEALTHCHECK."""
        since = str(int(time.time()) - 3600)
        deadline = time.monotonic() + _HEALTH_LIMIT
        events = subprocess.Popen(
            ["docker", "events", "--since", since, "--filter", f"container={self.name}", "--format", "{{.Status}}"],
            stdout=subprocess.PIPE,
        )
        try:
            for line in _lines(events, deadline):
                assert "unhealthy" not in line and not line.startswith("die"), f"{line}{self.health()}{self.logs()}"
                if line.strip() == "health_status: healthy":
                    return
        finally:
            events.kill()
            events.wait()
            if events.stdout:
                events.stdout.close()
        raise AssertionError(f"not healthy: {self.health()}\n{self.logs()}")

    def health(self) -> Any:
        return self.inspect()["State"]["Health"]

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    assert process.stdout
    pending = b""
    while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            return
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (f"{line.decode(errors='replace')}\n" for line in whole)
