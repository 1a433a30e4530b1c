"""Tells the application of the tool calls of one execution."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codemode.events import ApprovalRequested, ToolCallFinished, ToolCallStarted, ToolEvent, ToolProgress

# The executor's clock of a call began before the call was here: by how much of a limit, and of a short one, in seconds.
_NEARLY, _UNDERWAY = 0.8, 0.1
_ABANDONED = "the execution ended before the tool answered"


@dataclass
class _Open:
    name: str
    limit: float | None
    since: float
    held: float = 0.0
    held_since: float | None = None

    def overrun(self) -> float | None:
        """The limit, if its time is up."""
        if self.limit is None or self.held_since is not None:
            return None
        passed = time.monotonic() - self.since - self.held
        return self.limit if passed >= min(self.limit * _NEARLY, self.limit - _UNDERWAY) else None


class Watch:
    """Every call is told as started once and as finished once, and nothing of it after that.

    `tell` never raises and is called where things happen. `limit` is how long the executor lets a call take, in
    seconds; it is asked during a call. Without `tell` nothing is kept.
    """

    def __init__(
        self, tell: Callable[[ToolEvent], object] | None = None, limit: Callable[[], float | None] = lambda: None
    ) -> None:
        self._tell = tell
        self._limit = limit
        self._calls: dict[int, _Open] = {}
        # Reentrant: a stream that is collected in the middle of this ends its execution in the same thread.
        self._lock = threading.RLock()

    def started(
        self, call_id: int, name: str, timeout: float | None, arguments: Callable[[], Mapping[str, Any]]
    ) -> None:
        tell = self._tell
        if tell is None:
            return
        limits = [limit for limit in (timeout, self._limit()) if limit is not None]
        call = _Open(name, min(limits, default=None), time.monotonic())
        # It may have to wait here; if the call is given up meanwhile, that is told when it goes on.
        tell(ToolCallStarted(call_id, name, arguments()))
        with self._lock:
            self._calls[call_id] = call

    def progress(self, call_id: int, message: str, fraction: float | None) -> None:
        if (tell := self._tell) is not None and (call := self._calls.get(call_id)) is not None:
            tell(ToolProgress(call_id, call.name, message, fraction))

    def asked(self, call_id: int, arguments: Mapping[str, Any]) -> None:
        if (tell := self._tell) is not None and (call := self._calls.get(call_id)) is not None:
            tell(ApprovalRequested(call_id, call.name, arguments))

    def held(self, call_id: int, is_held: bool) -> None:
        """A held call does not come near its limit."""
        now = time.monotonic()
        with self._lock:
            call = self._calls.get(call_id)
            if call is None:
                return
            if is_held:
                call.held_since = now
            elif call.held_since is not None:
                call.held += now - call.held_since
                call.held_since = None

    def finished(self, call_id: int, status: str, error: str | None = None) -> None:
        with self._lock:
            call, tell = self._calls.pop(call_id, None), self._tell
        if call is not None and tell is not None:
            duration = (time.monotonic() - call.since) * 1000
            tell(ToolCallFinished(call_id, call.name, status, duration, error))

    def given_up(self, call_id: int) -> None:
        """The executor waits for this call no more: its time is up, or the execution is over."""
        with self._lock:
            call = self._calls.get(call_id)
        if call is None:
            return
        if (limit := call.overrun()) is not None:
            self.finished(call_id, "timeout", f"the tool did not answer within {limit:g} s")
        else:
            self.finished(call_id, "abandoned", _ABANDONED)

    def close(self) -> None:
        """Tells of those that are still open, and nothing after that."""
        for call_id in list(self._calls):
            self.finished(call_id, "abandoned", _ABANDONED)
        self._tell = None

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        self._tell = None
