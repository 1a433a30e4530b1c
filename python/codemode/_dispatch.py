"""Runs the tool calls of one execution. The native client calls it in worker threads."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import inspect
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from codemode import _values
from codemode._approval import ApprovalDenied, ApprovalRequest, OnApproval
from codemode._asking import Question, denied
from codemode._context import RuntimeContext
from codemode._errors import ToolError
from codemode._failure import failure
from codemode._loop import discard, finish
from codemode._meta import NAMES as META_NAMES
from codemode._meta import meta_tools
from codemode._progress import reporter
from codemode._registry import not_found
from codemode._tool import ToolEntry
from codemode._watch import Watch

_log = logging.getLogger("codemode.tools")

# A value may be in parts, one after the other.
Encoded = bytes | list[bytes]
Answer = tuple[bool, Encoded]
# What most tools return, and nobody awaits: to ask `inspect` takes as long as a small tool.
_VALUES = frozenset({type(None), bool, int, float, str, bytes, list, dict, tuple})
# The decision was yes, and the tool has not run yet.
_APPROVED = object()


class Dispatcher:
    """`entries` are all that this execution may call: the executor enforces that too, but the client trusts no wire.

    Sync tools run in the calling worker thread, async ones on the loop that `loop` names, holding no thread, and so
    does `on_approval`. All see the context variables of the task or thread that called `execute`.
    """

    def __init__(
        self,
        entries: Mapping[str, ToolEntry],
        context: RuntimeContext,
        loop: Callable[[], asyncio.AbstractEventLoop],
        on_approval: OnApproval | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.warnings: list[str] = []
        self.used = False  # whether any call came: then the execution must never be repeated
        self.begun: list[tuple[str, bytes]] = []  # name and arguments of the calls whose tool was really called
        self.denied: list[tuple[str, bytes, str]] = []  # the same of those that were not approved, and why
        self._entries = entries
        self._context = context
        self._loop = loop
        self._on_approval = on_approval
        self._watch = watch or Watch()
        self._variables = contextvars.copy_context()
        self._pending: dict[int, Future[Any]] = {}
        self._abandoned: dict[int, bool] = {}  # and whether its time was up
        self._closed = False
        # Reentrant: a stream that is collected in the middle of this ends its execution in the same thread.
        self._lock = threading.RLock()

    def __call__(
        self,
        execution_id: str,
        call_id: int,
        name: str,
        arguments: bytes,
        value_bytes: int,
        resume: Callable[[Callable[[], Answer]], object],
        hold: Callable[[bool], object],
        bytes_behind: bool = False,
    ) -> Answer | None:
        """(True, tagged JSON of the value) or (False, JSON of the failure); never raises. `bytes_behind`: long bytes
        may stand behind the JSON.

        None: something is awaited. `resume` is called once it has ended, with a function that has the answer.
        `hold(True)` stops the clock of the call.
        """
        self.used = True
        call = _Call(execution_id, call_id, name, arguments, value_bytes, resume, hold, bytes_behind)
        self._watch.started(call_id, name, lambda: _shown_keywords(call))
        return self._guarded(call, lambda: self._begin(call))

    def abandon(self, call_id: int, timed_out: bool = False) -> None:
        """The execution no longer waits for this call: cancels it if it is async."""
        with self._lock:
            self._abandoned[call_id] = timed_out  # it may not have begun to wait yet
            future = self._pending.get(call_id)
        if not self._closed:
            self._watch.given_up(call_id, timed_out)
        if future is not None:
            future.cancel()

    def close(self, timed_out: Iterable[str] = ()) -> None:
        """The execution is over: cancels every async call that is left. `timed_out` as `Watch.close` has it."""
        with self._lock:
            self._closed = True
            pending = list(self._pending.values())
        self._watch.close(timed_out)
        for future in pending:
            future.cancel()

    def after_fork_in_child(self) -> None:
        """The calls are the parent's, and so is whoever held a lock."""
        self._lock = threading.RLock()
        self._closed = True
        self._pending.clear()
        self._watch.after_fork_in_child()

    def _guarded(self, call: _Call, work: Callable[[], Encoded | None]) -> Answer | None:
        try:
            value = self._variables.copy().run(self._reporting, call, work)
        except BaseException as error:  # a tool that calls sys.exit must not end a native thread
            # The host's log has what the code must not see.
            _log.info("tool %s failed in execution %s", call.name, call.execution_id, exc_info=True)
            body = failure(error, call.arguments)
            self._failed(call, error, json.loads(body)["message"])
            return False, body
        if value is None:
            return None
        self._watch.finished(call.call_id, "ok")
        return True, value

    def _reporting(self, call: _Call, work: Callable[[], Encoded | None]) -> Encoded | None:
        reporter.set(lambda message, fraction: self._watch.progress(call.call_id, message, fraction))
        return work()

    def _failed(self, call: _Call, error: BaseException, message: str) -> None:
        if isinstance(error, ApprovalDenied):
            self.denied.append((call.name, call.arguments, message))
            self._watch.finished(call.call_id, "denied", message)
        elif self._unwanted(call):
            self._watch.given_up(call.call_id, self._abandoned.get(call.call_id, False))
        else:
            self._watch.finished(call.call_id, "error", message)

    def _begin(self, call: _Call) -> Encoded | None:
        entry = self._find(call.name)
        given = entry.arguments(_keywords(call))
        question = self._question(call, entry, given)
        if question is not None and (answer := question.ask()) is not None:
            self._await_decision(call, entry, given, question, answer)
            return None
        value = self._called(call, entry, given)
        if type(value) in _VALUES or not inspect.isawaitable(value):
            return self._encoded(call, entry, value)
        self._start(
            call, value, finish(value), lambda future: call.resume(lambda: self._resumed(call, entry, given, future))
        )
        return None

    def _question(self, call: _Call, entry: ToolEntry, given: Mapping[str, Any]) -> Question | None:
        """None where the call may run at once."""
        if entry.gate is None:
            return None
        action, reason = entry.gate.verdict(given)
        if action == "allow":
            return None
        if action == "deny":
            raise denied(entry.name, reason)
        if self._on_approval is None:
            raise denied(entry.name, f"{reason}, and this client has no on_approval")
        self._check_wanted(call)
        arguments = _copied(call, given)
        self._watch.asked(call.call_id, arguments)
        request = ApprovalRequest(entry.name, arguments, reason, self._context, call.execution_id, call.call_id)
        return Question(self._on_approval, request, call.hold)

    def _await_decision(
        self, call: _Call, entry: ToolEntry, given: Mapping[str, Any], question: Question, answer: Awaitable[Any]
    ) -> None:
        """Holds no thread while a person thinks. A call resumes once: an async tool runs right after the decision."""

        async def decided() -> Any:
            await question.decided(answer, lambda: self._unwanted(call))
            if self._unwanted(call):  # a callback that goes on when it is cancelled
                raise asyncio.CancelledError
            if not entry.form.is_async:
                return _APPROVED
            value = self._called(call, entry, given)
            return await value if inspect.isawaitable(value) else value

        def done(future: Future[Any]) -> None:
            question.release()  # also where it was cancelled before it began
            call.resume(lambda: self._resumed(call, entry, given, future))

        try:
            self._start(call, answer, decided(), done)
        except BaseException:
            question.release()
            raise

    def _called(self, call: _Call, entry: ToolEntry, given: Mapping[str, Any]) -> Any:
        """Calls the tool; what nobody waits for any more never begins."""
        with self._lock:
            self._check_wanted(call)
            self.begun.append((call.name, call.arguments))
        return entry.form.call(given, self._context)

    def _resumed(self, call: _Call, entry: ToolEntry, given: Mapping[str, Any], future: Future[Any]) -> Answer:
        def work() -> Encoded:
            value = _result(future)
            if value is _APPROVED:
                value = self._called(call, entry, given)
                if inspect.isawaitable(value):  # of a tool that did not say that it is async
                    value = _result(self._start(call, value, finish(value)))
            return self._encoded(call, entry, value)

        return self._guarded(call, work) or (True, b"null")

    def _encoded(self, call: _Call, entry: ToolEntry, value: Any) -> Encoded:
        value = entry.checked(value)
        encode = _values.encode_parts if call.bytes_behind else _values.encode
        encoded, warnings = encode(value, max_bytes=call.value_bytes, root=call.name, reprs=False)
        self.warnings += warnings
        return encoded

    def _find(self, name: str) -> ToolEntry:
        if name in self._entries:
            return self._entries[name]
        if name in META_NAMES:
            # Made on demand: few executions ask, and building their schemas costs more than the execution.
            return meta_tools(self._entries)[name]
        raise not_found("tool", name, self._entries)

    def _start(
        self,
        call: _Call,
        awaited: Awaitable[Any],
        coroutine: Coroutine[Any, Any, Any],
        done: Callable[[Future[Any]], object] | None = None,
    ) -> Future[Any]:
        """Runs the coroutine, which awaits what is `awaited`, on the loop; cancelled with the call."""
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop())
        except BaseException:
            coroutine.close()  # or Python warns that it was never awaited
            discard(awaited)
            raise
        with self._lock:
            self._pending[call.call_id] = future
            unwanted = self._unwanted(call)
        future.add_done_callback(lambda _: self._forget(call.call_id))
        future.add_done_callback(lambda _: discard(awaited))  # cancelled before the loop came to it
        if done:
            future.add_done_callback(done)
        if unwanted:
            future.cancel()
        return future

    def _forget(self, call_id: int) -> None:
        with self._lock:
            self._pending.pop(call_id, None)

    def _check_wanted(self, call: _Call) -> None:
        if self._unwanted(call):
            raise ToolError("the call was cancelled")

    def _unwanted(self, call: _Call) -> bool:
        return self._closed or call.call_id in self._abandoned


@dataclass(slots=True, eq=False)
class _Call:
    execution_id: str
    call_id: int
    name: str
    arguments: bytes
    value_bytes: int
    resume: Callable[[Callable[[], Answer]], object]
    hold: Callable[[bool], object]
    bytes_behind: bool


def _keywords(call: _Call) -> dict[str, Any]:
    try:
        given = _values.decode(call.arguments)
    except ValueError as problem:
        raise ToolError(f"the arguments of tool {call.name!r} cannot be read: {problem}") from None
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise ToolError(f"arguments of tool {call.name!r} must be given by name")
    return given


def _shown_keywords(call: _Call) -> dict[str, Any]:
    """A copy for whoever watches; empty where they cannot be read, which the call's failure tells."""
    try:
        return _keywords(call)
    except Exception:  # whatever a decoder says about what hostile code sent
        return {}


def _copied(call: _Call, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is shown to a person must not be what the tool gets: whoever shows it may change it."""
    try:
        return copy.deepcopy(dict(given))
    except Exception:  # of a type that the application's own validators made
        return _keywords(call)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except CancelledError:
        raise ToolError("the call was cancelled") from None
