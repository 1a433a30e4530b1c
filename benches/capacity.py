"""The rows about how much: executions, processor time, memory, bytes."""

from __future__ import annotations

import measure
from latency import FORK, RAW
from programs import COMPUTATIONS
from rows import Found, Row, ratios

MIB = 2**-20
SAME = "the same CPython outside"


def throughput(found: Found) -> list[Row]:
    rate = found.middle("codemode.throughput.rate")
    cpu, floor = found.middle("codemode.throughput.cpu"), found.middle("fork.throughput.cpu")
    sixteen = f"concurrency.rate_{measure.MANY}"
    rates = {
        FORK: found.middle("fork.throughput.rate"),
        "Monty": found.middle(f"monty.{sixteen}"),
        "opencodemode": found.middle(f"opencodemode.{sixteen}"),
    }
    absent = found.why_not("codemode.throughput.rate")
    return [
        Row("throughput", "`2 + 2`, 16 clients", "/s", rate, 300, "high", "", ratios(rate, rates, "high"), absent),
        Row(
            "cpu",
            "the same: processor time of one execution, client included",
            "ms",
            cpu,
            None if floor is None else 2 * floor,
            "low",
            "≤ 2 x fork",
            ratios(cpu, {FORK: floor}),
            absent,
        ),
    ]


def burst(found: Found) -> list[Row]:
    path = "codemode.burst.latency"
    worst, rate = found.worst(path), found.middle("fork.throughput.rate")
    samples = found.samples.get(path, [])
    # As many as in one burst, in as many bursts as there were rounds: by the fork alone.
    count = len(samples) / max(1, found.rounds)
    peers = {FORK: None if not rate else count / rate * 1000}
    label = f"{count:.0f} requests at once on an empty pool, all answered: the worst"
    return [Row("burst", label, "ms", worst, 1500, ratios=ratios(worst, peers), absent=found.why_not(path))]


def compute(found: Found) -> list[Row]:
    def one(name: str) -> Row:
        sides = (found.samples.get(f"codemode.compute.{name} {where}", []) for where in ("inside", "outside"))
        turns = [inside / outside for inside, outside in zip(*sides, strict=True)]
        figure = measure.middle(turns) if turns else None
        against = ratios(figure, {SAME: 1.0})
        absent = found.why_not("codemode.compute.inside")
        short = name.partition("(")[0]
        return Row(
            f"compute-{short}", f"{name}: times as long as outside", "x", figure, 1.03, ratios=against, absent=absent
        )

    return [one(name) for name in COMPUTATIONS]


def memory(found: Found) -> list[Row]:
    def one(name: str, label: str, key: str, bar: float, peers: dict[str, str]) -> Row:
        figure = found.middle(f"codemode.parked.{key}", MIB)
        against = ratios(figure, {peer: found.middle(path, MIB) for peer, path in peers.items()})
        return Row(name, label, "MiB", figure, bar, ratios=against, absent=found.why_not(f"codemode.parked.{key}"))

    executors = {"warm interpreter": "fork.memory.resident", "opencodemode's executor": "opencodemode.run.resident"}
    return [
        one("parked", "memory of one more parked sandbox", "parked", 4, {"forked child": "fork.memory.parked"}),
        one("daemon", "memory of the idle executor (resident)", "daemon", 25, executors),
    ]


def large(found: Found) -> list[Row]:
    raw = found.middle("raw.transfer.rate")

    def one(name: str, label: str, bar: float) -> Row:
        figure = found.middle(f"codemode.{name}.rate")
        against = ratios(figure, {RAW: raw}, "high")
        return Row(name, label, "MiB/s", figure, bar, "high", "", against, found.why_not(f"codemode.{name}.rate"))

    grown = found.worst(*(f"codemode.{name}.memory" for name in ("output", "blob", "text")))
    return [
        one("output", "a large output (64 MiB)", 300),
        one("blob", "large bytes from a tool (64 MiB)", 300),
        one("text", "the same as JSON text", 80),
        Row(
            "large-memory",
            "what the executor's memory grows by meanwhile, at most",
            "MiB",
            None if grown is None else grown * MIB,
            16,
            absent=found.why_not("codemode.blob.memory"),
        ),
    ]


def history(found: Found) -> list[Row]:
    latency, fresh, memory, served = (
        found.samples.get(f"codemode.history.{key}") for key in ("latency", "fresh", "memory", "served")
    )
    absent = found.why_not("codemode.history.latency")
    if not (latency and fresh and memory and served):
        return [Row("history", "the last executions against the first", "x", None, 1.1, absent=absent)]
    # Some points: one alone is as good as the moment it was measured in.
    last, new = measure.middle(latency[-3:]), measure.middle(fresh[-3:])
    label = f"latency behind {served[-1]:.0f} executions, times that of a new executor"
    return [
        Row("history", label, "x", last / new, 1.1, ratios=ratios(last, {"a new executor": new})),
        Row(
            "history-memory",
            f"the executor's memory there, times that behind {served[0]:.0f}",
            "x",
            memory[-1] / memory[0],
            1.05,
            ratios=ratios(memory[-1], {"its own begin": memory[0]}),
        ),
    ]


def idle(found: Found) -> list[Row]:
    path = "codemode.idle.percent"
    parked = found.middle("codemode.idle.parked") or 0
    label = f"{parked:.0f} parked sandboxes: share of one core"
    return [Row("idle", label, "%", found.worst(path), 0.5, absent=found.why_not(path))]
