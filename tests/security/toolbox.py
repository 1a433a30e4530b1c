"""The tools that the corpus expects. `admin` is registered and granted to nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

GRANTED = ["echo", "counter", "sleep", "boom", "big", "read_file"]


class Toolbox:
    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace.resolve()
        self._lock = threading.Lock()
        self.count = 0
        self.admin_ran = False
        self.ended = threading.Event()
        self.called = threading.Event()

    def tools(self) -> dict[str, Callable[..., Any]]:
        named = (self.echo, self.counter, self.sleep, self.boom, self.big, self.read_file, self.admin)
        return {tool.__name__: tool for tool in named}

    def echo(self, value: Any) -> Any:
        return value

    def counter(self) -> int:
        with self._lock:
            self.count += 1
            return self.count

    def sleep(self, seconds: float, tag: Any = None) -> Any:
        """Ends early when the test does."""
        self.called.set()
        self.ended.wait(min(seconds, 30))
        return tag

    def boom(self) -> None:
        raise ValueError("SECRET-IN-EXCEPTION /home/app/x.py")

    def big(self, n: int) -> str:
        return "x" * n

    def read_file(self, path: str) -> str:
        target = (self._workspace / path).resolve()
        if not target.is_relative_to(self._workspace):
            raise PermissionError("outside the workspace")
        return target.read_text()

    def admin(self, cmd: str) -> str:
        self.admin_ran = True
        return f"ran {cmd}"
