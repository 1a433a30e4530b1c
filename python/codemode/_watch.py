"""Tells the application of the tool calls of one execution."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codemode.events import ApprovalRequested, ToolCallFinished, ToolCallStarted, ToolEvent, ToolProgress

_TIMEOUT = "the tool did not answer in time"
_ABANDONED = "the execution ended before the tool answered"


@dataclass
class _Open:
    name: str
    since: float


class Watch:
    """Every call is told as started once and as finished once, and nothing of it after that.

    `tell` never raises and is called where things happen. Without it nothing is kept.
    """

    def __init__(self, tell: Callable[[ToolEvent], object] | None = None) -> None:
        self._tell = tell
        self._calls: dict[int, _Open] = {}
        self._told: list[str] = []  # the tools whose time was up
        # Reentrant: a stream that is collected in the middle of this ends its execution in the same thread.
        self._lock = threading.RLock()

    def started(self, call_id: int, name: str, arguments: Callable[[], Mapping[str, Any]]) -> None:
        tell = self._tell
        if tell is None:
            return
        call = _Open(name, time.monotonic())
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

    def finished(self, call_id: int, status: str, error: str | None = None) -> None:
        if self._tell is None:
            return
        with self._lock:
            call, tell = self._calls.pop(call_id, None), self._tell
        if call is not None and tell is not None:
            duration = (time.monotonic() - call.since) * 1000
            tell(ToolCallFinished(call_id, call.name, status, duration, error))

    def given_up(self, call_id: int, timed_out: bool) -> None:
        """The executor waits for this call no more: its time is up, or the execution is over."""
        if timed_out and (call := self._calls.get(call_id)) is not None:
            self._told.append(call.name)
        status, error = ("timeout", _TIMEOUT) if timed_out else ("abandoned", _ABANDONED)
        self.finished(call_id, status, error)

    def close(self, timed_out: Iterable[str] = ()) -> None:
        """Tells of those that are still open, and nothing after that. `timed_out` are the tools whose time was up, call
        by call, as the executor recorded it: its word on one of them may be underway still.
        """
        if self._tell is None:
            return
        untold = Counter(timed_out) - Counter(self._told)
        for call_id, call in list(self._calls.items()):
            untold.subtract([call.name])
            self.given_up(call_id, untold[call.name] >= 0)
        self._tell = None

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        self._tell = None
