"""How long the executor runs on a processor before others have their turn there."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

import pytest

from codemode import Codemode
from e2e import processes
from e2e.conftest import executor_of
from e2e.daemon import Daemon

SHORT = 100_000  # nanoseconds, the least that the kernel takes
_NUMBERS = {"x86_64": 315, "aarch64": 275}
# size, policy, flags, nice, priority, and the runtime, deadline and period of sched_getattr(2).
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def turn(pid: int) -> int:
    """In nanoseconds; 0 before Linux 6.12, which has one length for all."""
    attributes = ctypes.create_string_buffer(_ATTRIBUTES.size)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_NUMBERS[platform.machine()], pid, attributes, _ATTRIBUTES.size, 0):
        raise OSError(ctypes.get_errno(), "sched_getattr")
    return int(_ATTRIBUTES.unpack(attributes.raw)[5])


pytestmark = pytest.mark.skipif(turn(os.getpid()) == 0, reason="this kernel has one length of turns for all")


def test_the_executor_has_short_ones_and_what_it_starts_has_not(tmp_path: Path) -> None:
    usual = turn(os.getpid())
    assert usual > SHORT
    with Codemode() as embedded, Daemon(tmp_path) as daemon:
        for executor in (executor_of(embedded), daemon.pid):
            zygotes = processes.children(executor)
            assert turn(executor) == SHORT and zygotes
            assert {turn(process) for zygote in zygotes for process in (zygote, *processes.children(zygote))} == {usual}
