"""Many clients at once: a steady crowd, a burst on an empty pool, and many executions one after the other."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
import processes
from codemode import Codemode
from measure import Samples, Size
from measures.executions import once

# Behind how many executions the first ones are measured, and how many points the curve has.
EARLY, POINTS = 100, 20
# At each point. Paced, so that what is left from before is not measured with them.
AT_A_POINT = 25
NEVER_AGAIN = {"retry": {"enabled": False}}


def sixteen(size: Size) -> Samples:
    """The rate, and the processor's seconds for each execution: client, executor and sandboxes, and the whole machine.

    The kernel does some of the work in threads of its own; only the machine's total has that.
    """
    with Codemode() as client:
        measure.warm(lambda: once(client))
        before, machine = spent(), machine_seconds()
        found = measure.crowd(lambda: once(client), measure.MANY, size.seconds)
        count = found["executions"][0]
        own, served = (after - earlier for after, earlier in zip(spent(), before, strict=True))
        return {
            "rate": found["rate"],
            "cpu": [(own + served) / count * 1000],
            "cpu_client": [own / count * 1000],
            "cpu_machine": [(machine_seconds() - machine) / count * 1000],
        }


def spent() -> tuple[float, float]:
    """Seconds of processor time: this process; executor, zygote and every sandbox that is gone."""
    daemons = processes.children(os.getpid())
    served = set().union(daemons, *map(processes.children, daemons))
    return time.process_time(), sum(map(processes.cpu_seconds, served))


def machine_seconds() -> float:
    """All cores, busy with anything."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / processes.TICK


def concurrency(size: Size) -> Samples:
    with Codemode() as client:
        measure.warm(lambda: once(client))
        return measure.curve(lambda clients: measure.crowd(lambda: once(client), clients, size.seconds))


def burst(size: Size) -> Samples:
    """On a pool that holds one sandbox, the least it can, and with a client that repeats nothing."""
    with Codemode({**NEVER_AGAIN, "pool": {"min": 0}}) as client:
        once(client)
        return {"latency": measure.at_once(lambda: once(client), size.burst)}


def history(size: Size) -> Samples:
    """The executor's latency and memory along so many executions. Beside each point the latency of one that has just
    been started, in turns with it: what the machine does to both is no history."""
    with Codemode() as client:
        once(client)
        (daemon,) = processes.children(os.getpid())
        idle = processes.status(daemon, "VmRSS")
        measure.warm(lambda: once(client), EARLY)
        found: Samples = {"served": [], "latency": [], "fresh": [], "memory": [], "idle": [idle]}
        done = 1 + EARLY
        for point in range(POINTS + 1):
            done += fill(lambda: once(client), size.executions * point // POINTS - done)
            old, new = beside_a_new_one(client)
            done += 2 * AT_A_POINT
            found["served"].append(done)
            found["latency"].append(old)
            found["fresh"].append(new)
            found["memory"].append(processes.status(daemon, "VmRSS"))
        return found


def beside_a_new_one(client: Codemode) -> tuple[float, float]:
    with Codemode() as fresh:
        turns = itertools.cycle([client, fresh])
        # Until the pools are as they are between requests.
        measure.paced(lambda: once(next(turns)), 2 * AT_A_POINT)
        samples = measure.paced(lambda: once(next(turns)), 2 * AT_A_POINT)
    return measure.middle(samples[::2]), measure.middle(samples[1::2])


def fill(call: Callable[[], object], count: int) -> int:
    """Two clients, so many executions in all."""
    count = max(0, count)
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda _: call(), range(count)):
            pass
    return count
