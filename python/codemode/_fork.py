"""Keeps this package usable on both sides of `os.fork` (prefork servers, multiprocessing)."""

from __future__ import annotations

import logging
import os
import weakref
from typing import Protocol

_log = logging.getLogger("codemode")


class ForkAware(Protocol):
    def after_fork_in_child(self) -> None:
        """Replaces what belongs to the parent's threads: locks, loops, connections. Only one thread is alive."""


_live: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def track(item: ForkAware) -> None:
    _live.add(item)


def _in_child() -> None:
    for item in list(_live):
        try:
            item.after_fork_in_child()
        except Exception:
            _log.exception("%r is not usable in this child process", item)  # the others may well be


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
