"""How every contestant is measured. Standard library only: it is imported in each contestant's own environment."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

PACED_SAMPLES = 500
PERIOD = 0.020
CLIENTS = (1, 4, 16)
SECONDS_PER_LEVEL = 5.0

Call = Callable[[], object]


def summary(samples: list[float]) -> dict[str, float]:
    """Milliseconds: the middle, the 99th percentile, the fastest."""
    ordered = sorted(samples)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"median": statistics.median(ordered), "p99": p99, "min": ordered[0], "samples": len(ordered)}


def timed(call: Call) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def warm(call: Call, count: int = 30) -> None:
    for _ in range(count):
        call()


def back_to_back(call: Call, count: int = PACED_SAMPLES) -> dict[str, float]:
    return summary([timed(call) for _ in range(count)])


def paced(call: Call, count: int = PACED_SAMPLES) -> dict[str, float]:
    """One request every 20 ms: the pool behind the answer has time to refill, as it has in most applications."""
    samples = []
    begin = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, begin + number * PERIOD - time.perf_counter()))
        samples.append(timed(call))
    return summary(samples)


def throughput(call: Call, clients: int, seconds: float = SECONDS_PER_LEVEL) -> float:
    """Executions per second with so many threads that each ask again as soon as they have their answer."""
    counts = [0] * clients
    start = threading.Barrier(clients + 1)
    over = threading.Event()

    def work(number: int) -> None:
        start.wait()
        while not over.is_set():
            call()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    start.wait()
    begin = time.perf_counter()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def report(results: dict[str, Any]) -> None:
    json.dump(results, sys.stdout)
    print()
