"""Large values: as output, as bytes and as text through a tool's answer. MiB per second, and the executor's memory."""

from __future__ import annotations

import os
from collections.abc import Callable

import measure
import processes
from codemode import Codemode, ComponentRegistry
from measure import Samples, Size
from measures.executions import once

READ = """
import time
begin = time.perf_counter()
length = len(tools['large'].run())
result = [length, time.perf_counter() - begin]
"""


def output(size: Size) -> Samples:
    length = size.mebibytes << 20
    code = f"import sys\npiece = 'x' * (1 << 20)\nfor _ in range({size.mebibytes}):\n    sys.stdout.write(piece)"

    def call(client: Codemode) -> float:
        answer: list[int] = []
        seconds = measure.timed(lambda: answer.append(len(client.execute(code, check=True).stdout))) / 1000
        assert answer == [length], answer
        return seconds

    return carried(size, None, call)


def blob(size: Size) -> Samples:
    return from_tool(size, os.urandom(size.mebibytes << 20))


def text(size: Size) -> Samples:
    """Of what JSON can carry as it is."""
    return from_tool(size, "abcdefgh" * (size.mebibytes << 17))


def from_tool(size: Size, value: object) -> Samples:
    registry = ComponentRegistry()
    registry.register_tool("large", lambda: value, description="A large value.")

    def call(client: Codemode) -> float:
        length, seconds = client.execute(READ, check=True).result
        assert length == size.mebibytes << 20
        return float(seconds)

    return carried(size, registry, call)


def carried(size: Size, registry: ComponentRegistry | None, call: Callable[[Codemode], float]) -> Samples:
    """In an executor of its own, so that its highest memory is of this."""
    room = (size.mebibytes + 8) << 20
    limits = {"output_bytes": room, "value_bytes": room, "memory_limit": "2Gi"}
    with Codemode.local({"limits": limits}, registry=registry) as client:
        once(client)
        (daemon,) = processes.children(os.getpid())
        idle = processes.status(daemon, "VmHWM")
        rates = [size.mebibytes / call(client) for _ in range(size.repeats)]
        return {"rate": rates, "memory": [processes.status(daemon, "VmHWM") - idle]}
