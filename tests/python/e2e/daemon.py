"""`codemode serve` as a user starts it, on a free loopback port."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CODEMODE = Path(sys.executable).parent / "codemode"
KEY = "k-3f9a1c55d2e84b7790"
_ADDRESS = re.compile(rb"127\.0\.0\.1:(\d+)")
_START_LIMIT = 60.0


class Daemon:
    """Ends with the `with` block, whatever the test did to it."""

    def __init__(
        self, folder: Path, policy: dict[str, Any] | str | None = None, key: str | None = KEY, **variables: str
    ) -> None:
        config = folder / "policy.yaml"
        config.write_text(policy if isinstance(policy, str) else json.dumps(policy or {}))  # JSON is YAML
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}
        environment["CODEMODE_PORT"] = "0"
        if key is not None:
            environment["CODEMODE_API_KEY"] = key
        environment |= variables
        self.key = key
        self.log = b""
        self.process = subprocess.Popen(
            [CODEMODE, "serve", "--config", config], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.port = self._port()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def _port(self) -> int:
        assert self.process.stdout
        deadline = time.monotonic() + _START_LIMIT
        while not (found := _ADDRESS.search(self.log)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not chunk:
                self.stop()
                raise AssertionError(f"no address in the daemon's log:\n{self.log.decode(errors='replace')}")
            self.log += chunk
        return int(found[1])

    def http(self, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
