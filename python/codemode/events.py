"""What happens during an execution, as `stream` yields it and `on_tool_call` receives it.

Every tool call has a `ToolCallStarted` and later one `ToolCallFinished`, between them its progress and the request for
its approval. A stream ends with `Finished`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codemode._result import ExecutionResult

__all__ = [
    "ApprovalRequested",
    "Event",
    "Finished",
    "Stderr",
    "Stdout",
    "ToolCallFinished",
    "ToolCallStarted",
    "ToolEvent",
    "ToolProgress",
]


@dataclass(frozen=True)
class Stdout:
    """Output of the code. A reader that is behind gets several pieces as one."""

    text: str


@dataclass(frozen=True)
class Stderr:
    """Output of the code on its error stream."""

    text: str


@dataclass(frozen=True)
class ToolCallStarted:
    """The code calls a tool. `arguments` are as the code gave them, not validated yet."""

    call_id: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolProgress:
    """A tool said how far it is, with `report_progress`. `fraction` is from 0 to 1."""

    call_id: int
    name: str
    message: str
    fraction: float | None = None


@dataclass(frozen=True)
class ApprovalRequested:
    """`on_approval` is asked about a call. `arguments` are what the tool will get."""

    call_id: int
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolCallFinished:
    """A call is over. `status`: ok, error, denied, timeout or abandoned (the execution ended first)."""

    call_id: int
    name: str
    status: str
    duration_ms: float
    error: str | None = None


@dataclass(frozen=True)
class Finished:
    """The execution is over; nothing follows."""

    result: ExecutionResult


ToolEvent = ToolCallStarted | ToolProgress | ApprovalRequested | ToolCallFinished
Event = Stdout | Stderr | ToolEvent | Finished
