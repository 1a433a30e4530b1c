"""Runs the tool calls of one execution. The native client calls it in worker threads."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
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

_log = logging.getLogger("codemode.tools")

Answer = tuple[bool, bytes]


class Dispatcher:
    """`entries` are all that this execution may call: the executor enforces that too, but the client trusts no wire.

    Sync tools run in the calling worker thread, async ones on the loop that `loop` names, holding no thread. Both see
    the context variables of the task or thread that called `execute`.
    """

    def __init__(
        self,
        entries: Mapping[str, ToolEntry],
        context: RuntimeContext,
        loop: Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        self.warnings: list[str] = []
        self.used = False  # whether any call came: then the execution must never be repeated
        self.begun: list[tuple[str, bytes]] = []  # name and arguments of the calls whose tool was really called
        self._entries = entries
        self._context = context
        self._loop = loop
        self._variables = contextvars.copy_context()
        self._pending: dict[int, Future[Any]] = {}
        self._abandoned: set[int] = set()
        self._closed = False
        self._lock = threading.Lock()

    def __call__(
        self,
        execution_id: str,
        call_id: int,
        name: str,
        arguments: bytes,
        value_bytes: int,
        resume: Callable[[Callable[[], Answer]], object],
    ) -> Answer | None:
        """(True, tagged JSON of the value) or (False, JSON of the failure); never raises.

        None: the tool is async. `resume` is called once it has ended, with a function that has the answer.
        """
        self.used = True
        call = _Call(execution_id, call_id, name, arguments, value_bytes)
        return self._guarded(call, lambda: self._begin(call, resume))

    def _guarded(self, call: _Call, work: Callable[[], bytes | None]) -> Answer | None:
        try:
            value = self._variables.copy().run(work)
        except BaseException as error:  # a tool that calls sys.exit must not end a native thread
            # The host's log has what the code must not see.
            _log.info("tool %s failed in execution %s", call.name, call.execution_id, exc_info=True)
            return False, failure(error, call.arguments)
        return None if value is None else (True, value)

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

    def _begin(self, call: _Call, resume: Callable[[Callable[[], Answer]], object]) -> bytes | None:
        entry = self._find(call.name)
        given = entry.arguments(_keywords(call))
        with self._lock:
            if self._unwanted(call.call_id):
                raise ToolError("the call was cancelled")
            self.begun.append((call.name, call.arguments))
        value = entry.form.call(given, self._context)
        if not inspect.isawaitable(value):
            return self._encoded(call, entry, value)
        self._start(call, value, lambda future: resume(lambda: self._resumed(call, entry, future)))
        return None

    def _resumed(self, call: _Call, entry: ToolEntry, future: Future[Any]) -> Answer:
        def work() -> bytes:
            try:
                value = future.result()
            except CancelledError:
                raise ToolError("the call was cancelled") from None
            return self._encoded(call, entry, value)

        return self._guarded(call, work) or (True, b"null")

    def _encoded(self, call: _Call, entry: ToolEntry, value: Any) -> bytes:
        value = entry.checked(value)
        encoded, warnings = _values.encode(value, max_bytes=call.value_bytes, root=call.name, reprs=False)
        self.warnings += warnings
        return encoded

    def _find(self, name: str) -> ToolEntry:
        if name in self._entries:
            return self._entries[name]
        if name in META_NAMES:
            # Made on demand: few executions ask, and building their schemas costs more than the execution.
            return meta_tools(self._entries)[name]
        raise not_found("tool", name, self._entries)

    def _start(self, call: _Call, awaitable: Any, done: Callable[[Future[Any]], object]) -> None:
        coroutine = finish(awaitable)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop())
        except BaseException:
            coroutine.close()  # or Python warns that it was never awaited
            raise
        with self._lock:
            self._pending[call.call_id] = future
            unwanted = self._unwanted(call.call_id)
        future.add_done_callback(lambda _: self._forget(call.call_id))
        future.add_done_callback(done)
        if unwanted:
            future.cancel()

    def _forget(self, call_id: int) -> None:
        with self._lock:
            self._pending.pop(call_id, None)

    def _unwanted(self, call_id: int) -> bool:
        return self._closed or call_id in self._abandoned


@dataclass(frozen=True)
class _Call:
    execution_id: str
    call_id: int
    name: str
    arguments: bytes
    value_bytes: int


def _keywords(call: _Call) -> dict[str, Any]:
    try:
        given = _values.decode(call.arguments)
    except ValueError as problem:
        raise ToolError(f"the arguments of tool {call.name!r} cannot be read: {problem}") from None
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise ToolError(f"arguments of tool {call.name!r} must be given by name")
    return given
