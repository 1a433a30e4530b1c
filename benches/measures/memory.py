"""What parked sandboxes cost: memory, and processor time while nothing happens."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

import processes
from codemode import Codemode
from measure import Samples, Size
from measures.executions import once

MORE = 8
# The most that one executor is asked to hold.
IN_ONE = 100
SETTLED, AT_MOST = 0.5, 120.0


def parked(size: Size) -> Samples:
    """Bytes. What one more sandbox costs is the difference of proportional set sizes, shared by so many."""
    with pool(1) as client:
        daemon, small = family(client)
        resident, processes_before = processes.status(daemon, "VmRSS"), len(small)
        zygote_and_one = sum(processes.smaps(pid)["Pss"] for pid in small)
    with pool(1 + MORE) as client:
        _, large = family(client)
        total = sum(processes.smaps(pid)["Pss"] for pid in large)
        own = sorted(map(processes.private, large))
    one_more = (total - zygote_and_one) / MORE
    assert len(large) > processes_before
    return {
        "parked": [one_more],
        "daemon": [resident],
        "zygote": [zygote_and_one - one_more],
        "private": [sum(own) / len(own)],
    }


def idle(size: Size) -> Samples:
    """The share of one core, in percent, that executors with so many parked sandboxes use."""
    with ExitStack() as stack:
        left = size.parked
        while left > 0:
            # Its executor starts with the first execution.
            family(stack.enter_context(pool(min(left, IN_ONE))))
            left -= IN_ONE
        everything = processes.descendants(os.getpid())
        assert len(everything) > size.parked, f"{len(everything)} processes for {size.parked} sandboxes"
        before, begin = processes.run_seconds(everything), time.perf_counter()
        time.sleep(max(2.0, size.seconds))
        used, elapsed = processes.run_seconds(everything) - before, time.perf_counter() - begin
        return {"percent": [100 * used / elapsed], "processes": [len(everything)], "parked": [size.parked]}


def pool(count: int) -> Codemode:
    return Codemode.local({"pool": {"min": count, "max": count}})


def family(client: Codemode) -> tuple[int, set[int]]:
    """The newest executor of this process, and all below it once no more come."""
    once(client)
    daemon = max(processes.children(os.getpid()))
    seen: set[int] = set()
    since = begin = time.monotonic()
    while time.monotonic() - since < SETTLED:
        if time.monotonic() - begin > AT_MOST:
            raise SystemExit("the pool does not come to rest")
        time.sleep(0.05)
        if (now := processes.descendants(daemon)) != seen:
            seen, since = now, time.monotonic()
    return daemon, seen
