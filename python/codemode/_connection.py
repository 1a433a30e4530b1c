"""What a client and its copies share: the native client, component hooks, the loop of async tools."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, finalize

from codemode import _locate
from codemode._errors import CodemodeError, ConfigError, from_native
from codemode._fork import track
from codemode._lifecycle import Lifecycle
from codemode._loop import BackgroundLoop
from codemode._read_config import encode

if TYPE_CHECKING:
    from codemode._native import NativeClient
    from codemode.config import ClientConfig

Policy = Mapping[str, Any] | str | os.PathLike[str] | None


class Connection:
    """Closed by the client that opened it, or by the last of its copies that is left."""

    def __init__(self, native: NativeClient) -> None:
        self._native = native
        self.lifecycle = Lifecycle()
        self.loop = BackgroundLoop()
        self.handles: WeakSet[Any] = WeakSet()
        self._closed = False
        self._lock = threading.Lock()
        # A client that nobody closed must not leave its thread behind; waiting for it in a destructor could deadlock.
        finalize(self, self.loop.stop, wait=False).atexit = False
        track(self)

    @property
    def native(self) -> NativeClient:
        if self._closed:
            raise CodemodeError("this client is closed; create a new one", code="closed")
        return self._native

    def close(self) -> None:
        if self._begin_close():
            self.lifecycle.close(self.loop.run)
            self._finish_close()

    async def close_async(self) -> None:
        if self._begin_close():
            await self.lifecycle.close_async()
            self._finish_close()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._native.after_fork_in_child()
        self.loop.after_fork_in_child()
        self.lifecycle.after_fork_in_child()

    def _begin_close(self) -> bool:
        """True for the first caller only: closing twice is fine."""
        with self._lock:
            was_closed, self._closed = self._closed, True
        return not was_closed

    def _finish_close(self) -> None:
        self._native.close()
        self.loop.stop()


def opened(config: ClientConfig | None) -> Connection:
    """To the executor that the configuration names, or to a private one."""
    if config is None:
        return embed()
    return _embedded(**config.embedded_options()) if config.executor_url is None else connect(config)


def connect(config: ClientConfig) -> Connection:
    """To the executor that the configuration names; dials on first use."""
    return _open("connect", config.executor_url, config.connect_options())


def embed(policy: Policy = None) -> Connection:
    """A private executor, a child of this process, started on first use."""
    if policy is None:
        return _embedded()
    if isinstance(policy, Mapping):
        return _embedded(policy=encode(policy, "the policy"), base_dir=os.getcwd())
    path = Path(policy).absolute()
    if not path.is_file():
        raise ConfigError(f"policy file {os.fspath(policy)!r} does not exist (looked for {path})")
    return _embedded(policy_path=str(path))


def _embedded(**options: Any) -> Connection:
    return _open("embedded", {"executable": str(_locate.executable()), "interpreter": sys.executable, **options})


def _open(constructor: str, *arguments: Any) -> Connection:
    # Looked up by name, so that a test can put another module in its place.
    native = importlib.import_module("codemode._native")
    try:
        return Connection(getattr(native.NativeClient, constructor)(*arguments))
    except native.NativeError as error:
        raise from_native(error) from None
