"""Fork, run, reap of the same warm interpreter without any isolation: the floor under a process for each execution.

The interpreter has the guest's own Python half, has imported what Codemode's zygote has (its names come as a third
argument), and has run a first program. The child runs the code as a sandbox does and gives its answer to a pipe. No
namespace, no wall, no executor, no client.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time

import measure
import processes
import warm_guest
from measure import Samples, Size

RUNNER = warm_guest.prepare(sys.argv[3].split(",") if len(sys.argv) > 3 else [])


def answered() -> bytes:
    bridge = warm_guest.Bridge("2 + 2", tools=[])
    RUNNER.main(bridge)
    return bridge.answer or b""


def once() -> None:
    answer, written = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(written, answered())
        os._exit(0)
    os.close(written)
    got = os.read(answer, 64)
    os.close(answer)
    _, status = os.waitpid(child, 0)
    assert (got, status) == (b"4", 0)


def run(size: Size) -> Samples:
    measure.warm(once)
    return measure.both_ways(once, size.samples)


def throughput(size: Size) -> Samples:
    """A warm interpreter for each core, as fast as it can: executions per second, milliseconds of processor time."""
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("fork")
    with context.Pool(cores) as pool:
        # One each: nobody is done before all have begun.
        found = pool.map(worked, [size.seconds] * cores, chunksize=1)
    count = sum(one for one, _, _ in found)
    return {
        "rate": [sum(one / elapsed for one, elapsed, _ in found)],
        "cpu": [sum(used for _, _, used in found) / count * 1000],
    }


def worked(seconds: float) -> tuple[int, float, float]:
    measure.warm(once)
    before, begin = used(), time.perf_counter()
    count = 0
    while time.perf_counter() - begin < seconds:
        once()
        count += 1
    return count, time.perf_counter() - begin, used() - before


def used() -> float:
    return sum(
        found.ru_utime + found.ru_stime
        for found in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def memory(size: Size) -> Samples:
    """Bytes: the private memory of a child that has run the code and waits, and the resident set of its parent."""
    once()
    ready, written = os.pipe()
    stays, stop = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(stop)
        os.write(written, answered())
        os.read(stays, 1)
        os._exit(0)
    os.read(ready, 64)
    found: Samples = {"parked": [processes.private(child)], "resident": [processes.status(os.getpid(), "VmRSS")]}
    os.close(stop)
    os.waitpid(child, 0)
    return found


if __name__ == "__main__":
    measure.contest({"run": run, "throughput": throughput, "memory": memory})
