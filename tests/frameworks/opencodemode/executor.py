"""`codemode serve` as it was built, beside a package that has our import name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CODEMODE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "codemode"
KEY = "k-5be07c19a4d84f3a"
_ADDRESS = re.compile(r"serving address=\S*?:(\d+)")
_START_LIMIT = 60.0


class Executor:
    """Ends with the `with` block. Its log is read all the time, so that it never waits for a reader."""

    def __init__(
        self, folder: Path, settings: dict[str, Any] | str | None = None, key: str | None = KEY, **variables: str
    ) -> None:
        assert CODEMODE.is_file(), f"{CODEMODE} is missing; run: make build"
        config = folder / "codemode-sidecar.yaml"
        config.write_text(settings if isinstance(settings, str) else json.dumps(settings or {}))  # JSON is YAML
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}
        environment |= {"CODEMODE_PORT": "0", "CODEMODE_GUEST_INTERPRETER": _interpreter(), **variables}
        if key is not None:
            environment["CODEMODE_API_KEY"] = key
        self.process = subprocess.Popen(
            [CODEMODE, "serve", "--config", config], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self.says(_ADDRESS):
            self.stop()
            raise AssertionError(f"no address in the executor's log:\n{self.log}")
        self.port = int(_ADDRESS.findall(self.log)[0])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        with self._news:
            return "".join(self._lines)

    def says(self, pattern: re.Pattern[str] | str) -> bool:
        """Waits for it."""
        with self._news:
            self._news.wait_for(lambda: self._ended or bool(re.search(pattern, "".join(self._lines))), _START_LIMIT)
            return bool(re.search(pattern, "".join(self._lines)))

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _interpreter() -> str:
    """The system's, if it has one: the first on a developer's PATH may be a wrapper."""
    system = Path("/usr/bin/python3")
    return str(system if system.is_file() else Path(sys.executable).resolve())
