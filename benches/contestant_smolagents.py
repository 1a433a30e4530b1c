"""smolagents' own executor: a Python interpreter written in Python, in the application's process, with no boundary."""

from __future__ import annotations

import itertools
import time

from smolagents.local_python_executor import LocalPythonExecutor

import measure
from measure import Samples, Size


def run(size: Size) -> Samples:
    def call() -> None:
        executor = LocalPythonExecutor(additional_authorized_imports=[])
        executor.send_tools({})
        assert executor("2 + 2").output == 4

    measure.warm(call)
    return measure.both_ways(call, size.samples)


def tool(size: Size) -> Samples:
    """A call of a function in the same process."""
    arrivals: list[float] = []

    def echo(value: int) -> int:
        arrivals.append(time.perf_counter())
        return value

    executor = LocalPythonExecutor(additional_authorized_imports=[])
    executor.send_tools({"echo": echo})
    executor(f"for number in range({min(900, 4 * size.samples)}):\n    echo(value=number)")
    return {"round_trip": [(later - earlier) * 1000 for earlier, later in itertools.pairwise(arrivals)]}


if __name__ == "__main__":
    measure.contest({"run": run, "tool": tool})
