"""How every contestant is measured. Standard library only: it is imported in each contestant's own environment.

A measurement gives samples: a list of numbers under each name. The driver runs it in several rounds, puts the lists
together, and only then asks for medians.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PERIOD = 0.020
CLIENTS = (1, 2, 4, 8, 16, 32)
MANY = 16

Call = Callable[[], object]
Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Size:
    """How much of everything. Samples and rounds: what is asked of one round, and how many rounds there are."""

    rounds: int
    samples: int
    seconds: float  # at each number of clients
    repeats: int  # of what takes long by itself
    executions: int  # behind which the last ones are compared with the first
    parked: int
    burst: int
    mebibytes: int


SIZES = {
    "quick": Size(1, 50, 1.0, 3, 300, 20, 50, 16),
    "normal": Size(5, 100, 2.0, 4, 2_000, 100, 200, 64),
    "long": Size(5, 100, 4.0, 4, 50_000, 1_000, 200, 64),
}


def middle(samples: list[float]) -> float:
    return statistics.median(samples)


def percentile(samples: list[float], percent: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary(samples: list[float]) -> dict[str, float]:
    """The middle, the 99th percentile, the smallest and the largest."""
    return {
        "median": middle(samples),
        "p99": percentile(samples, 99),
        "min": min(samples),
        "max": max(samples),
        "samples": len(samples),
    }


def timed(call: Call) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def warm(call: Call, count: int = 30) -> None:
    for _ in range(count):
        call()


def back_to_back(call: Call, count: int) -> list[float]:
    return [timed(call) for _ in range(count)]


def paced(call: Call, count: int) -> list[float]:
    """One request every 20 ms: the pool behind the answer has time to refill, as it has in most applications."""
    samples = []
    begin = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, begin + number * PERIOD - time.perf_counter()))
        samples.append(timed(call))
    return samples


def both_ways(call: Call, count: int) -> Samples:
    return {"paced": paced(call, count), "back_to_back": back_to_back(call, count)}


def crowd(call: Call, clients: int, seconds: float) -> Samples:
    """So many threads that each ask again as soon as they have their answer: latencies, and executions per second."""
    samples: list[list[float]] = [[] for _ in range(clients)]
    errors: list[Exception] = []
    start = threading.Barrier(clients + 1)
    over = threading.Event()

    def work(own: list[float]) -> None:
        start.wait()
        try:
            while not over.is_set():
                own.append(timed(call))
        except Exception as error:  # raised again below, in the thread that counts
            errors.append(error)
            over.set()

    threads = [threading.Thread(target=work, args=(own,)) for own in samples]
    for thread in threads:
        thread.start()
    start.wait()
    begin = time.perf_counter()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    if errors:
        raise errors[0]
    together = [sample for own in samples for sample in own]
    return {"latency": together, "rate": [len(together) / elapsed], "executions": [len(together)]}


def at_once(call: Call, count: int) -> list[float]:
    """So many requests in the same moment, each timed from that moment."""
    start = threading.Barrier(count + 1)
    samples: list[float] = []
    errors: list[Exception] = []
    begin = 0.0

    def work() -> None:
        start.wait()
        try:
            call()
        except Exception as error:  # raised again below, in the thread that counts
            errors.append(error)
        else:
            samples.append((time.perf_counter() - begin) * 1000)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    begin = time.perf_counter()
    start.wait()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return samples


def curve(measured: Callable[[int], Samples], levels: tuple[int, ...] = CLIENTS) -> Samples:
    """The middle and the 99th percentile of the latency for each number of clients, and the rate of each."""
    found: Samples = {}
    for clients in levels:
        one = measured(clients)
        found[f"latency_{clients}"] = [middle(one["latency"])]
        found[f"p99_{clients}"] = [percentile(one["latency"], 99)]
        found[f"rate_{clients}"] = one["rate"]
    return found


def contest(measurements: Mapping[str, Callable[[Size], Any]]) -> None:
    """`program MEASUREMENT SIZE [...]`: what the measurement found, as JSON in the last line of the output."""
    name, size = sys.argv[1:3]
    print(json.dumps(measurements[name](SIZES[size])))


def report(results: dict[str, Any]) -> None:
    print(json.dumps(results))
