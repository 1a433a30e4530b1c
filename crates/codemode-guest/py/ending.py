"""The end of a run, in CPython's order: figures, threads, atexit, flushed streams."""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OUTPUTS = "/outputs"


def exit_status(stop: SystemExit) -> int:
    """What the operating system would see; an exit text goes to stderr, as CPython has it."""
    code: Any = stop.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) & 0xFF if -(2**63) <= code < 2**63 else 255
    with suppress(Exception):
        print(code, file=sys.stderr)
    return 1


def call_excepthook(exc: BaseException) -> None:
    """Only one that user code installed: the default would print what the result carries anyway."""
    if sys.excepthook is not sys.__excepthook__:
        with suppress(BaseException):
            sys.excepthook(type(exc), exc, exc.__traceback__)


def save_figures(directory: str = OUTPUTS) -> list[str]:
    """Figures that were left open become artifacts. Before atexit, where matplotlib destroys them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return []
    number = 0
    try:
        for number in pyplot.get_fignums():
            pyplot.figure(number).savefig(f"{directory}/figure-{number}.png")
    except Exception as exc:  # noqa: BLE001 a figure is an extra: it must not fail the run
        return [f"figure {number} could not be saved: {type(exc).__name__}: {exc}"]
    return []


def join_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        with suppress(BaseException):  # an interrupt while waiting; CPython prints it and goes on
            threading._shutdown()


def run_atexit() -> None:
    with suppress(BaseException):
        atexit._run_exitfuncs()


def flush() -> None:
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        with suppress(BaseException):
            getattr(sys, name).flush()
