"""What an exception looks like from outside: the user's own frames, their source lines, and the message."""

from __future__ import annotations

import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

MAX_MESSAGE = 16 * 1024
MAX_TRACEBACK = 128 * 1024
_MANY_FRAMES = 5000
# What the loader says of a library on a file system that nothing may be executed from.
_NOT_MAPPED = "failed to map segment from shared object"
_NATIVE_HINT = (
    "(native code is not loaded from folders that code can write to: install the package into the environment that "
    "guest.interpreter names, or into the image)"
)


def describe(exc: BaseException, filename: str) -> dict[str, Any]:
    """{error_type, message, traceback, line}; `line` is the innermost user line, or where the syntax is wrong."""
    hint = _hint(exc)
    return {
        "error_type": _clean(type(exc).__name__, 200),
        "message": _clean(_message(exc) + hint, MAX_MESSAGE),
        "traceback": _clean(_text(exc, filename), MAX_TRACEBACK) + (f"{hint.strip()}\n" if hint else ""),
        "line": _line(exc, filename),
    }


def _hint(exc: BaseException) -> str:
    """What to do about an error that says too little."""
    if isinstance(exc, ImportError) and _NOT_MAPPED in _message(exc):
        return f" {_NATIVE_HINT}"
    return ""


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except BaseException as failure:  # noqa: BLE001 user code runs in there
        return f"<{type(exc).__name__}, its str() raised {type(failure).__name__}>"


def _text(exc: BaseException, filename: str) -> str:
    try:
        deep = sum(1 for _ in _frames(exc.__traceback__)) > _MANY_FRAMES
        limit = -_MANY_FRAMES if deep else None
        report = traceback.TracebackException(type(exc), exc, exc.__traceback__, limit=limit, compact=True)
        for part in _chain(report):
            _keep_user_frames(part, filename)
        return "".join(report.format())
    except BaseException as failure:  # noqa: BLE001 and in there: __str__, __notes__, __cause__ may be anything
        return f"{type(exc).__name__}: {_message(exc)}\n(no traceback: {type(failure).__name__} while formatting it)\n"


def _chain(report: Any) -> Iterator[Any]:
    """The exception, its causes and contexts, and the members of groups."""
    pending, seen = [report], set()
    while pending:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        pending += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]


def _keep_user_frames(report: Any, filename: str) -> None:
    if report.stack is not None:
        frames = [frame for frame in report.stack if frame.filename == filename]
        # None prints no header; an empty stack would print one with nothing below it.
        report.stack = traceback.StackSummary.from_list(frames) if frames else None


def _line(exc: BaseException, filename: str) -> int | None:
    lines = [number for name, number in _frames(exc.__traceback__) if name == filename]
    if lines:
        return lines[-1]
    if isinstance(exc, SyntaxError) and exc.filename == filename and isinstance(exc.lineno, int):
        return exc.lineno
    return None


def _frames(tb: TracebackType | None) -> Iterator[tuple[str, int]]:
    while tb is not None:
        yield tb.tb_frame.f_code.co_filename, tb.tb_lineno
        tb = tb.tb_next


def _clean(text: str, limit: int) -> str:
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n[... {len(text) - limit} characters left out ...]\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()
