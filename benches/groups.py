"""The measurements by name: who takes part, and the rows that come of it. The bars are those of the product's issue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import capacity
import latency
from rows import Found, Row


@dataclass(frozen=True)
class Group:
    """`turns`: contestant and measurement, in their order in each round; `once`: in the first round only."""

    rows: Callable[[Found], list[Row]]
    turns: tuple[str, ...] = ()
    once: tuple[str, ...] = ()


GROUPS = {
    "paced": Group(
        latency.paced,
        ("codemode.embedded", "fork.run", "monty.run"),
        ("opencodemode.run", "spawn.python", "spawn.bubblewrap", "spawn.docker", "smolagents.run"),
    ),
    "remote": Group(latency.remote, ("codemode.tcp", "codemode.tls", "fork.run")),
    "blocks": Group(latency.blocks, ("codemode.blocks", "monty.blocks")),
    "toolcall": Group(
        latency.toolcall,
        ("codemode.tool", "raw.round_trip", "monty.tool"),
        ("codemode.tool_tcp", "opencodemode.tool", "smolagents.tool"),
    ),
    "map": Group(latency.mapped, ("codemode.map", "raw.round_trip")),
    "parallel": Group(latency.parallel, (), ("codemode.parallel", "raw.parallel")),
    "throughput": Group(
        capacity.throughput,
        ("codemode.throughput", "fork.throughput"),
        ("codemode.concurrency", "monty.concurrency", "opencodemode.concurrency"),
    ),
    "burst": Group(capacity.burst, ("codemode.burst",), ("fork.throughput",)),
    "preload": Group(latency.preload, (), ("preload.preload",)),
    "compute": Group(capacity.compute, (), ("codemode.compute",)),
    "memory": Group(capacity.memory, (), ("codemode.parked", "fork.memory", "opencodemode.run")),
    "large": Group(capacity.large, ("raw.transfer",), ("codemode.output", "codemode.blob", "codemode.text")),
    "start": Group(latency.start, (), ("codemode.start", "spawn.python")),
    "history": Group(capacity.history, (), ("codemode.history",)),
    "idle": Group(capacity.idle, (), ("codemode.idle",)),
}
