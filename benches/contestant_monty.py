"""pydantic-monty: a Python subset in a pool of its own worker processes, no kernel boundary per run. Prints JSON."""

from __future__ import annotations

import itertools
import time

from pydantic_monty import Monty

import measure

TOOL_CALLS = 900


def main() -> None:
    with Monty() as pool:

        def call() -> None:
            with pool.checkout() as session:
                assert session.feed_run("2 + 2") == 4

        measure.warm(call)
        measure.report(
            {
                "embedded": {
                    "paced": measure.paced(call),
                    "back_to_back": measure.back_to_back(call),
                    "throughput": {clients: measure.throughput(call, clients) for clients in measure.CLIENTS},
                },
                "tool": measure.summary(tool_samples(pool)),
            }
        )


def tool_samples(pool: Monty) -> list[float]:
    """It has no clock of its own inside, so the time between two arrivals of the call is taken here."""
    arrivals: list[float] = []

    def echo(value: int) -> int:
        arrivals.append(time.perf_counter())
        return value

    with pool.checkout() as session:
        session.feed_run(f"for number in range({TOOL_CALLS}):\n    echo(number)", external_lookup={"echo": echo})
    return [(later - earlier) * 1000 for earlier, later in itertools.pairwise(arrivals)]


if __name__ == "__main__":
    main()
