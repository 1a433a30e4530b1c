"""Limits that code meets as ordinary errors. Caught, they are its own business; what it dies of is named.

The kernel or the executor holds each limit. This only says which one an error speaks of, where the error says so.
"""

from __future__ import annotations

import errno
import os

from .calls import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .channel import Bridge

    Handler = Callable[[tuple[Any, ...]], None]

_BY_ERRNO = {
    errno.ENOSPC: "disk_limit",
    errno.EDQUOT: "disk_limit",
    errno.EFBIG: "file_size_limit",
    errno.EMFILE: "open_files_limit",
}
_NO_THREAD = "can't start new thread"
_STARTING = ("os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen")
_OPENING = ("open", "os.scandir", "socket.__new__", "subprocess.Popen")
_NO_DESCRIPTOR = "no more files could be opened: as many are open as there may be (limits.open_files)"


class Met:
    """What an error alone does not tell, noticed while the code runs."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._out_of_descriptors = False
        # "Try again" is said of many things; only who started a process can mean that there are too many.
        self._started_processes = False

    def add_to(self, handlers: dict[str, Handler]) -> None:
        """Puts this ahead of the handlers of the audit events that it looks at."""
        for events, look in ((_STARTING, self._starting), (_OPENING, self._opening)):
            for event in events:
                handlers[event] = _both(look, handlers.get(event))

    def _starting(self, args: tuple[Any, ...]) -> None:
        self._started_processes = True

    def _opening(self, args: tuple[Any, ...]) -> None:
        if self._out_of_descriptors:
            return
        try:
            os.close(os.dup(2))
        except OSError as error:
            if error.errno == errno.EMFILE:
                self._out_of_descriptors = True
                self._bridge.violation("open_files_limit", _NO_DESCRIPTOR)

    def cause_of(self, exc: BaseException) -> str | None:
        """The limit that this error is about."""
        members = getattr(exc, "exceptions", None)
        if isinstance(members, tuple):  # a group, as asyncio raises
            return next(filter(None, map(self.cause_of, members)), None)
        if isinstance(exc, MemoryError):
            return "memory_limit"
        if isinstance(exc, ToolError):
            return "tool_call_limit" if exc.error_type == "ToolCallLimitExceeded" else None
        if type(exc) is RuntimeError and str(exc) == _NO_THREAD:
            return "process_limit"
        if isinstance(exc, OSError):
            if exc.errno == errno.EAGAIN and self._started_processes:
                return "process_limit"
            return _BY_ERRNO.get(exc.errno or 0)
        return None


def _both(first: Handler, then: Handler | None) -> Handler:
    if then is None:
        return first

    def handler(args: tuple[Any, ...]) -> None:
        first(args)
        then(args)

    return handler
