"""Runs the tool calls of one execution. The native client calls it, each call in a worker thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

from codemode import _values
from codemode._context import RuntimeContext
from codemode._errors import ToolError
from codemode._failure import failure
from codemode._loop import finish
from codemode._meta import NAMES as META_NAMES
from codemode._meta import meta_tools
from codemode._registry import not_found
from codemode._tool import ToolEntry

MAX_VALUE_BYTES = 16 << 20
_log = logging.getLogger("codemode.tools")


class Dispatcher:
    """`entries` are all that this execution may call: the executor enforces that too, but the client trusts no wire.

    Sync tools run in the calling worker thread, async ones on the loop that `loop` names. Both see the context
    variables of the task or thread that called `execute`.
    """

    def __init__(
        self,
        entries: Mapping[str, ToolEntry],
        context: RuntimeContext,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        self.warnings: list[str] = []
        self.used = False  # whether any call came: then the execution must never be repeated
        self._entries = entries
        self._context = context
        self._loop = loop
        self._variables = contextvars.copy_context()
        self._pending: dict[int, Future[Any]] = {}
        self._abandoned: set[int] = set()
        self._closed = False
        self._lock = threading.Lock()

    def __call__(self, execution_id: str, call_id: int, name: str, arguments: bytes) -> tuple[bool, bytes]:
        """(True, tagged JSON of the value), or (False, JSON of the failure); never raises."""
        self.used = True
        try:
            return True, self._variables.copy().run(self._call, call_id, name, arguments)
        except BaseException as error:  # a tool that calls sys.exit must not end a native thread
            # The host's log has what the code must not see.
            _log.info("tool %s failed in execution %s", name, execution_id, exc_info=True)
            return False, failure(error, arguments)

    def abandon(self, call_id: int) -> None:
        """The execution no longer waits for this call: cancels it if it is async."""
        with self._lock:
            self._abandoned.add(call_id)  # it may not have begun to wait yet
            future = self._pending.get(call_id)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """The execution is over: cancels every async call that is left."""
        with self._lock:
            self._closed = True
            pending = list(self._pending.values())
        for future in pending:
            future.cancel()

    def _call(self, call_id: int, name: str, arguments: bytes) -> bytes:
        entry = self._find(name)
        given = _values.decode(arguments)
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            raise ToolError(f"arguments of tool {name!r} must be given by name")
        value = entry.call(given, self._context)
        if inspect.isawaitable(value):
            value = self._wait(call_id, value)
        encoded, warnings = _values.encode(entry.checked(value), max_bytes=MAX_VALUE_BYTES, root=name)
        self.warnings += warnings
        return encoded

    def _find(self, name: str) -> ToolEntry:
        if name in self._entries:
            return self._entries[name]
        if name in META_NAMES:
            # Made on demand: few executions ask, and building their schemas costs more than the execution.
            return meta_tools(self._entries)[name]
        raise not_found("tool", name, self._entries)

    def _wait(self, call_id: int, awaitable: Any) -> Any:
        coroutine = finish(awaitable)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop())
        except BaseException:
            coroutine.close()  # or Python warns that it was never awaited
            raise
        with self._lock:
            self._pending[call_id] = future
            unwanted = self._closed or call_id in self._abandoned
        if unwanted:
            future.cancel()
        try:
            return future.result()
        except CancelledError:
            raise ToolError("the call was cancelled") from None
        finally:
            with self._lock:
                self._pending.pop(call_id, None)
