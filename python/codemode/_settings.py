"""What a client keeps of its configuration for each execution."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# An executor of one's own is full of this process's own executions only: further ones wait their turn, half a minute at
# most. 400 threads that share a client were refused 92 times with the three attempts that a remote one gets, and none
# was with these.
EMBEDDED_ATTEMPTS = 10


@dataclass(frozen=True)
class Settings:
    """`correlation_prefix` None: the executor makes the ids. `attempts` counts the first one too.

    The defaults are those of a `ClientConfig` without a URL, which a client without one need not import.
    """

    correlation_prefix: str | None = "cm"
    traceback_limit: int | None = None
    max_code_length: int | None = None
    attempts: int = EMBEDDED_ATTEMPTS
    backoff_base: float = 0.1
    backoff_max: float = 5.0

    def correlation_id(self) -> str | None:
        """`cm-<6 base36 of milliseconds>-<4 random>`"""
        if self.correlation_prefix is None:
            return None
        stamp = _base36(int(time.time() * 1000), 6)
        # The kernel's own, which forked processes do not share. Of 64 bits the remainder is as good as even.
        chance = int.from_bytes(os.urandom(8), "little")
        return f"{self.correlation_prefix}-{stamp}-{_base36(chance, 4)}"

    def pauses(self) -> Iterator[float | None]:
        """For each attempt the seconds to wait should it fail, None for the last one."""
        for attempt in range(self.attempts - 1):
            pause = min(self.backoff_base * 2**attempt, self.backoff_max)
            # Half of it random, or all clients that one outage hit would come back at once.
            yield pause * (0.5 + random.random() / 2)
        yield None


def _base36(value: int, width: int) -> str:
    text = ""
    for _ in range(width):
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
    return text
