"""Calls the `open()` and `close()` hooks of components, once per client and before anything can call them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

from codemode._errors import RegistryError
from codemode._loop import finish
from codemode._registry import Registry

_log = logging.getLogger("codemode")


class Lifecycle:
    """Each hook runs for the first execution that finds the component; executions that come meanwhile wait for it."""

    def __init__(self) -> None:
        self._opened: dict[int, tuple[str, Any, Future[None]]] = {}
        # The source itself: its id could be a later one's.
        self._seen: tuple[Registry, int] | None = None
        self._lock = threading.Lock()

    def open(self, source: Registry, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """Opens what is new; `run` runs an async hook to its end."""
        state = source, source.revision
        if self._is_open(state):
            return
        for label, component, future, mine in self._claims(source):
            if not mine:
                future.result()
                continue
            with _Opening(self, label, component, future):
                answer = component.open()
                if inspect.isawaitable(answer):
                    run(finish(answer))
        self._seen = state

    async def open_async(self, source: Registry) -> None:
        state = source, source.revision
        if self._is_open(state):
            return
        for label, component, future, mine in self._claims(source):
            if not mine:
                await asyncio.wrap_future(future)
                continue
            with _Opening(self, label, component, future):
                answer = component.open()
                if inspect.isawaitable(answer):
                    await answer
        self._seen = state

    def _is_open(self, state: tuple[Registry, int]) -> bool:
        seen = self._seen
        return seen is not None and seen[0] is state[0] and seen[1] == state[1]

    def close(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """Closes in reverse order; a hook that fails is logged and keeps no other from running."""
        for label, component in self._drain():
            try:
                answer = component.close()
                if inspect.isawaitable(answer):
                    run(finish(answer))
            except Exception:
                _log.exception("closing %s failed", label)

    async def close_async(self) -> None:
        for label, component in self._drain():
            try:
                answer = component.close()
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                _log.exception("closing %s failed", label)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        # What another thread was opening never finishes here.
        self._opened = {key: value for key, value in self._opened.items() if value[2].done()}
        self._seen = None

    def forget(self, component: Any) -> None:
        with self._lock:
            self._opened.pop(id(component), None)

    def _claims(self, source: Registry) -> Iterator[tuple[str, Any, Future[None], bool]]:
        for label, component in source.components():
            if not _has_hook(component, "open") and not _has_hook(component, "close"):
                continue
            with self._lock:
                known = self._opened.get(id(component))
                future: Future[None] = known[2] if known else Future()
                # Holding the component keeps its id from being given to another.
                self._opened[id(component)] = known or (label, component, future)
            if known is None and not _has_hook(component, "open"):
                future.set_result(None)
            yield label, component, future, known is None and _has_hook(component, "open")

    def _drain(self) -> list[tuple[str, Any]]:
        with self._lock:
            opened, self._opened = list(self._opened.values()), {}
            self._seen = None
        return [(label, component) for label, component, _ in reversed(opened) if _has_hook(component, "close")]


class _Opening:
    """Settles the claim, whatever the hook does; after a failure the next execution tries again."""

    def __init__(self, owner: Lifecycle, label: str, component: Any, future: Future[None]) -> None:
        self._owner, self._label, self._component, self._future = owner, label, component, future

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self._future.set_result(None)
            return
        self._owner.forget(self._component)
        failure = RegistryError(f"opening {self._label} failed: {type(error).__name__}: {error}")
        self._future.set_exception(failure)
        if isinstance(error, Exception):
            raise failure from error


def _has_hook(component: Any, name: str) -> bool:
    """Whether it is a hook: a method that can be called without arguments. `open(path)` is the tool's own business."""
    hook = None if isinstance(component, type) else getattr(component, name, None)
    if not inspect.ismethod(hook):
        return False
    try:
        inspect.signature(hook).bind()
    except (TypeError, ValueError):
        return False
    return True
