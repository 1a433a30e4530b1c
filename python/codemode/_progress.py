"""How a tool tells the client what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

# Tells of the tool call that is running here; it never raises.
reporter: ContextVar[Callable[[str, float | None], object] | None] = ContextVar("codemode_reporter", default=None)


def report_progress(message: str, fraction: float | None = None) -> None:
    """Tells `on_tool_call` and event streams how far the running tool call is; `fraction` is from 0 to 1.

    For tools, sync or async. Outside of a tool call it does nothing, and neither does it in a thread that the tool
    started itself, unless that runs in a copy of the tool's context (`contextvars.copy_context().run`).
    """
    if not isinstance(message, str):
        raise TypeError(f"a progress message is text, got {type(message).__name__}")
    if fraction is not None:
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
            raise ValueError(f"fraction must be from 0 to 1, or None, got {fraction!r}")
        fraction = float(fraction)
    if (tell := reporter.get()) is not None:
        tell(message, fraction)
