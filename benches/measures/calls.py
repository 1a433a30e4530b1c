"""Tools called from the sandbox: one after the other, many at once, slow ones in parallel."""

from __future__ import annotations

import asyncio
import time

import measure
from codemode import Codemode, ComponentRegistry
from measure import Samples, Size
from measures import serving
from programs import BLOCKS, BLOCKS_ANSWER, MAPPED_BLOCKS, MAPPED_CALLS, SLOW_SECONDS, one_by_one

MANY_CALLS = {"limits": {"max_tool_calls": 100_000}}
MAP = f"""
import time
arguments = [{{'value': number}} for number in range({MAPPED_CALLS})]
begin = time.perf_counter()
answers = tools['echo'].map(arguments)
elapsed = time.perf_counter() - begin
assert answers == list(range({MAPPED_CALLS}))
result = {MAPPED_CALLS} / elapsed
"""
PARALLEL = "len(tools.gather(*(tools['slow'].arun(number=number) for number in range(4))))"


def blocks(size: Size) -> Samples:
    with Codemode(registry=serving.registry()) as client:

        def run(code: str) -> None:
            answer = client.execute(code, check=True)
            assert answer.result == BLOCKS_ANSWER, answer

        measure.warm(lambda: run(BLOCKS), 5)
        return {
            "one_by_one": measure.back_to_back(lambda: run(BLOCKS), size.samples),
            "at_once": measure.back_to_back(lambda: run(MAPPED_BLOCKS), size.samples),
        }


def sequential(size: Size) -> Samples:
    with Codemode.local(MANY_CALLS, registry=serving.registry()) as client:
        return round_trips(client, size)


def sequential_tcp(size: Size) -> Samples:
    with serving.tcp() as config, Codemode(config, registry=serving.registry()) as client:
        return round_trips(client, size)


def round_trips(client: Codemode, size: Size) -> Samples:
    code = one_by_one(min(900, 4 * size.samples))
    client.execute(code, check=True)
    return {"round_trip": client.execute(code, check=True).result}


def mapped(size: Size) -> Samples:
    with Codemode.local(MANY_CALLS, registry=serving.registry()) as client:
        client.execute(MAP, check=True)
        return {"rate": [client.execute(MAP, check=True).result for _ in range(size.repeats)]}


def seconds(client: Codemode) -> float:
    client.execute("2 + 2", check=True)
    return measure.timed(lambda: client.execute(PARALLEL, check=True)) / 1000


def parallel(size: Size) -> Samples:
    """Blocking tools and async ones; the whole execution in seconds."""

    def blocking(number: int) -> int:
        time.sleep(SLOW_SECONDS)
        return number

    async def waiting(number: int) -> int:
        await asyncio.sleep(SLOW_SECONDS)
        return number

    found: Samples = {}
    for name, tool in (("blocking", blocking), ("async", waiting)):
        registry = ComponentRegistry()
        registry.register_tool("slow", tool, description="Takes its time.")
        with Codemode(registry=registry) as client:
            found[name] = [seconds(client)]
    return found
