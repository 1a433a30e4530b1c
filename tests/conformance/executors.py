"""Executors by their policy, on both sides that may say it: the client's own, and `codemode serve`."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from codemode import ClientConfig, Codemode, ComponentRegistry, ConfigError
from conformance.serving import environment
from e2e.conftest import executor_of
from e2e.daemon import CODEMODE, KEY, Daemon

Side = Literal["client", "sidecar"]
Policy = dict[str, Any]

# A request that is refused is not tried again: the refusal is what is looked at.
_ONCE = {"retry": {"enabled": False}}


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as a file has it: `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return tree


@dataclass
class _Running:
    name: str
    codemode: Codemode
    pid: int
    end: ExitStack


class Executors:
    """The last one is kept, as many effects share a policy, and the one without any, which others are compared with."""

    def __init__(self, side: Side, folder: Path) -> None:
        self.side, self.folder = side, folder
        self.over = threading.Event()
        self._last: _Running | None = None
        self._plain: _Running | None = None

    def __call__(self, settings: Policy) -> Codemode:
        return self._of(settings).codemode

    def pid(self, settings: Policy) -> int:
        """The executor's process, of a client that this returned before."""
        return self._of(settings).pid

    def refusal(self, settings: Policy) -> str:
        """What the executor says that does not start with this policy."""
        if self.side == "client":
            with pytest.raises(ConfigError) as caught, Codemode.from_dict(nested(settings)) as codemode:
                codemode.execute("1")
            return str(caught.value)
        with tempfile.TemporaryDirectory(prefix="cm-", dir=self.folder) as folder:
            config = Path(folder) / "codemode.yaml"
            config.write_text(json.dumps(nested(settings)))
            done = subprocess.run(
                [CODEMODE, "serve", "--config", config, "--listen", f"unix:{folder}/s"],
                env=environment(), capture_output=True, text=True, timeout=60,
            )  # fmt: skip
        assert done.returncode in (64, 69), (done.returncode, done.stderr)
        return done.stderr

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """While it lasts, the tool `hang` does not return."""
        self.over.clear()
        try:
            yield
        finally:
            self.over.set()

    def close(self) -> None:
        for running in (self._last, self._plain):
            if running:
                running.end.close()
        self._last = self._plain = None

    def _of(self, settings: Policy) -> _Running:
        if not settings:
            self._plain = self._plain or self._begin(settings)
            return self._plain
        if self._last and self._last.name == json.dumps(settings):
            return self._last
        if self._last:
            self._last.end.close()
            self._last = None
        self._last = self._begin(settings)
        return self._last

    def _begin(self, settings: Policy) -> _Running:
        with ExitStack() as stack:
            codemode, pid = self._start(nested(settings), stack)
            return _Running(json.dumps(settings), codemode, pid, stack.pop_all())

    def _start(self, policy: Policy, stack: ExitStack) -> tuple[Codemode, int]:
        if self.side == "client":
            codemode = stack.enter_context(Codemode.from_dict(policy | _ONCE, registry=self._registry()))
            return codemode, executor_of(codemode)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        daemon = stack.enter_context(Daemon(folder, policy))
        config = ClientConfig(executor_url=daemon.url, executor_api_key=KEY, **_ONCE)  # type: ignore[arg-type]
        return stack.enter_context(Codemode(config, registry=self._registry())), daemon.pid

    def _registry(self) -> ComponentRegistry:
        registry = ComponentRegistry()
        registry.register_tool("hang", lambda: self.over.wait(60), description="Returns when the test is over.")
        registry.register_tool("repeat", _repeat, description="The text that many times.")
        return registry


def _repeat(text: str, times: int = 1) -> str:
    return text * times
