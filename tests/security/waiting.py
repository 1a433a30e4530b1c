"""Waiting for what the kernel tells nobody about, such as a folder that goes or a count that falls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Far above what anything here takes: to reach it is the failure.
PATIENCE = 20.0
_PAUSE = 0.005


def eventually(look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true answer, or the last one."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (answer := look()) and time.monotonic() < deadline:
        pause.wait(_PAUSE)
    return answer
