"""The table that is printed, BENCHMARKS.md and BENCHMARKS.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import egress_table
import machine
import measure
from rows import Found, Row

VERSION = 1
# Where a missed bar is explained, below a heading with the row's name in it.
PROFILES = Path("docs/performance/index.md")
HISTORY = ("served", "latency", "fresh", "memory")
CURVE = re.compile(r"(?:latency|p99|rate)_\d+$")


def numbers(rows: list[Row], found: Found, facts: dict[str, Any]) -> dict[str, Any]:
    """BENCHMARKS.json. `facts`: size, date, machine, isolation, egress."""
    return {
        "version": VERSION,
        **facts,
        "rows": [row.as_json() for row in rows],
        "samples": {
            path: {name: round(value, 4) for name, value in measure.summary(samples).items()}
            for path, samples in found.samples.items()
            if samples and not CURVE.search(path)
        },
        "concurrency": {name: curve(found, name) for name in ("codemode", "monty", "opencodemode")},
        "history": {key: found.samples.get(f"codemode.history.{key}", []) for key in HISTORY},
        "absent": found.absent,
    }


def curve(found: Found, contestant: str) -> dict[str, list[float]]:
    prefix = f"{contestant}.concurrency"
    levels = [level for level in measure.CLIENTS if f"{prefix}.rate_{level}" in found.samples]
    return {
        "clients": list(map(float, levels)),
        **{
            key: [round(measure.middle(found.samples[f"{prefix}.{key}_{level}"]), 4) for level in levels]
            for key in ("latency", "p99", "rate")
        },
    }


def table(rows: list[Row], explained: str = "") -> str:
    """Markdown that is aligned, so that a terminal shows it as well. `explained`: the text of PROFILES."""
    heads = ["measure", "bar", "figure", "", "times as good as"]
    cells = [heads, *([row.label, bar(row), figure(row), verdict(row, explained), peers(row)] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    right = {1, 2}

    def line(texts: list[str]) -> str:
        return (
            "| "
            + " | ".join(
                text.rjust(width) if column in right else text.ljust(width)
                for column, (text, width) in enumerate(zip(texts, widths, strict=True))
            )
            + " |"
        )

    rule = (
        "|"
        + "|".join("-" * (width + 1) + (":" if column in right else "-") for column, width in enumerate(widths))
        + "|"
    )
    return "\n".join([line(heads), rule, *map(line, cells[1:])])


def bar(row: Row) -> str:
    if row.bar is None:
        return row.bar_text
    if row.bar_text:
        return f"{row.bar_text} = {number(row.bar)} {row.unit}"
    return f"{'≤' if row.better == 'low' else '≥'} {number(row.bar)} {row.unit}"


def figure(row: Row) -> str:
    return "not measured" if row.figure is None else f"{number(row.figure)} {row.unit}"


def verdict(row: Row, explained: str) -> str:
    if row.met is None:
        return row.absent if row.figure is None else "no bar"
    if row.met:
        return "met"
    anchor = re.search(rf"^#+ {re.escape(row.id)}$", explained, re.MULTILINE)
    return f"**missed**: [why]({PROFILES}#{row.id})" if anchor else "**missed**"


def peers(row: Row) -> str:
    return ", ".join(f"{name} {number(ratio)} x" for name, ratio in row.ratios.items())


def number(value: float) -> str:
    """Three digits that count, and never fewer than the whole number has."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.{2 if abs(value) >= 1 else 3}f}"


def document(rows: list[Row], results: dict[str, Any], explained: str = "") -> str:
    """BENCHMARKS.md, made from BENCHMARKS.json."""
    parts = [
        "# Benchmarks",
        f"Written by `make bench` (size: {results['size']}); every number is from one run on one machine.",
        "\n".join(f"- {line}" for line in machine.described(results, results["date"])),
        "## Bars",
        table(rows, explained),
        READING,
        "## Latency against concurrency",
        concurrency(results["concurrency"]),
        egress_table.section(results["egress"], results["machine"]["cores"]),
        "## Every figure",
        everything(results["samples"]),
        *absent(results["absent"]),
        "## What is compared",
        COMPARED,
    ]
    return "\n\n".join(parts) + "\n"


def concurrency(curves: dict[str, dict[str, list[float]]]) -> str:
    lines = ["| clients | | median, ms | p99, ms | executions per second |", "|--:|---|--:|--:|--:|"]
    for contestant, found in curves.items():
        for cells in zip(found["clients"], found["latency"], found["p99"], found["rate"], strict=True):
            clients, *values = cells
            lines.append(f"| {clients:.0f} | {contestant} | {' | '.join(map(number, values))} |")
    return "\n".join(lines)


def everything(samples: dict[str, dict[str, float]]) -> str:
    lines = ["| contestant, measurement, figure | median | p99 | min | max | samples |", "|---|--:|--:|--:|--:|--:|"]
    for path, found in samples.items():
        values = " | ".join(number(found[key]) for key in ("median", "p99", "min", "max"))
        lines.append(f"| {path} | {values} | {found['samples']:.0f} |")
    return "\n".join(lines)


def absent(found: dict[str, str]) -> list[str]:
    return ["Not measured:", "\n".join(f"- {path}: {reason}" for path, reason in found.items())] if found else []


READING = """\
The last column says how many times as good as a peer Codemode is: above 1 it is faster or smaller. Peers were measured
in the same run, in turns. `make bench-check` compares these ratios with those of a new run."""

COMPARED = """\
- **codemode**: the release wheel, default policy, a fresh never-used sandbox for each execution. *Embedded*: one
  client, a private executor on a Unix socket. *TCP*, *TLS*: `codemode serve` on loopback gRPC with an API key.
- **fork + run + reap**: a CPython with the guest's Python half and the modules of Codemode's zygote, warm, forks, runs
  the same code through the same runner and is waited for. No isolation, no executor and no client: the floor under a
  process for each execution.
- **raw Unix socket**: two processes, each on a core of its own, that send each other 64 bytes, or 64 MiB, and do
  nothing else.
- **opencodemode**: 0.3.0b13 from PyPI, its executor started by hand on loopback, its tool server in the application.
  A fresh interpreter per execution, no kernel confinement outside its container.
- **Monty**: pydantic-monty 1.4.0, a Python subset, not CPython; a new session per run in a pool of worker processes, no
  kernel boundary per run.
- **smolagents**: 1.26.0, its local executor: an interpreter written in Python, in the application's own process.
- **python -I -S -c**, **bubblewrap**, **docker run**: a process for each run; alone, in bubblewrap, in a container.
- *Every 20 ms*: one request at a time. *Back to back*: the next request as soon as the answer is there, so the refill
  of the pool competes with the answer.
- Times without another unit are milliseconds, memory is bytes, rates are per second or MiB per second."""
