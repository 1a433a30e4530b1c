"""pydantic-monty: a Python subset in a pool of its own worker processes, no kernel boundary per run."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from pydantic_monty import AsyncMonty, Monty

import measure
from measure import Samples, Size
from programs import BLOCKS, BLOCKS_ANSWER

# Its tools are plain functions.
OWN_BLOCKS = BLOCKS.replace("tools['echo'].run", "echo")
_AT_ONCE = "total = total + sum(await asyncio.gather(*[echo(value=number) for number in range(10)]))"
BLOCKS_AT_ONCE = "\n".join(["import asyncio", "total = 0", *[_AT_ONCE] * 10, "total"])


def warmed(work: Callable[[Callable[[], None]], Samples]) -> Samples:
    with Monty() as pool:

        def call() -> None:
            with pool.checkout() as session:
                assert session.feed_run("2 + 2") == 4

        measure.warm(call)
        return work(call)


def run(size: Size) -> Samples:
    return warmed(lambda call: measure.both_ways(call, size.samples))


def concurrency(size: Size) -> Samples:
    return warmed(lambda call: measure.curve(lambda clients: measure.crowd(call, clients, size.seconds)))


def tool(size: Size) -> Samples:
    """It has no clock of its own inside, so the time between two arrivals of the call is taken here."""
    arrivals: list[float] = []

    def echo(value: int) -> int:
        arrivals.append(time.perf_counter())
        return value

    with Monty() as pool, pool.checkout() as session:
        calls = min(900, 4 * size.samples)
        session.feed_run(f"for number in range({calls}):\n    echo(number)", external_lookup={"echo": echo})
    return {"round_trip": [(later - earlier) * 1000 for earlier, later in itertools.pairwise(arrivals)]}


def blocks(size: Size) -> Samples:
    def echo(value: int) -> int:
        return value

    with Monty() as pool:

        def call() -> None:
            with pool.checkout() as session:
                assert session.feed_run(OWN_BLOCKS, external_lookup={"echo": echo}) == BLOCKS_ANSWER

        measure.warm(call, 5)
        one_by_one = measure.back_to_back(call, size.samples)
    return {"one_by_one": one_by_one, "at_once": asyncio.run(blocks_at_once(size))}


async def blocks_at_once(size: Size) -> list[float]:
    async def echo(value: int) -> int:
        return value

    samples = []
    async with AsyncMonty() as pool:
        for _ in range(5 + size.samples):
            begin = time.perf_counter()
            async with pool.checkout() as session:
                assert await session.feed_run(BLOCKS_AT_ONCE, external_lookup={"echo": echo}) == BLOCKS_ANSWER
            samples.append((time.perf_counter() - begin) * 1000)
    return samples[5:]


if __name__ == "__main__":
    measure.contest({"run": run, "concurrency": concurrency, "tool": tool, "blocks": blocks})
