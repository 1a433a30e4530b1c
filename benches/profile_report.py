"""docs/performance/profile.md, from what was found. The prose states no figure that the tables do not bring."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import machine
from measure import middle
from profile_calls import PAGES
from profile_making import BEGIN, CLONE, OWN, READY, WHOLE
from profile_roles import CODE, INIT
from profile_stages import APART, ENDS, RUNS, STAGES

# Which of the floor's stages stands beside which of ours: the last of those that it covers.
PATH = {0: "to the executor", 2: "to the code", 3: "code", 7: "to the client", len(STAGES): "whole"}
MAKING = {
    CLONE: "clone",
    f"{INIT}: mounts": "mounts",
    f"{INIT}: fork of the code's process": "fork",
    f"{CODE}: {PAGES}": "pages",
    f"{CODE}: identity, rights, limits": "identity",
    f"{CODE}: Landlock": "landlock",
    f"{CODE}: seccomp": "seccomp",
    WHOLE: "whole",
}


def faults(found: dict[str, Any]) -> dict[str, int]:
    """Of the code's process: when it is made, and when it runs."""
    made = sum(row["faults"] for row in found["making"] if row["name"] in (f"{CODE}: {OWN}", f"{CODE}: {PAGES}"))
    ran = next(row for row in found["way"] if row["name"] == RUNS)
    return {"touched": int(made), "run": int(ran["faults"])}


def document(found: dict[str, Any]) -> str:
    parts = [
        "# One execution, microsecond by microsecond",
        "Written by `make bench-profile`; every number is from one run on one machine.",
        "\n".join(f"- {line}" for line in machine.described(found, found["date"])),
        wrapped(
            INTRODUCTION,
            executions=found["executions"],
            unread=f"; {found['unread']} more could not be read" if found["unread"] else "",
            untraced=number(1000 * middle(found["untraced"])),
            traced=number(1000 * middle(found["traced"])),
        ),
        "## From the call to the answer",
        way(found["way"], found["floor"]["path"]),
        wrapped(WAY, early=found["early"], executions=found["executions"]),
        "## Behind the answer",
        behind(found["behind"], {APART: found["floor"]["path"]["end"], ENDS: found["floor"]["making"]["end"]}),
        BEHIND,
        "## Making the next sandbox",
        making(found["making"], found["floor"]["making"]),
        wrapped(MAKING_TEXT, makings=found["makings"]),
        "## What one execution takes in all",
        totals(found["totals"]),
        TOTALS,
        "## The floor",
        wrapped(
            FLOOR,
            mebibytes=number(found["floor"]["resident"] / 2**20),
            touched=found["floor"]["touched"],
            run=found["floor"]["run"],
        ),
        "## Instructions by part",
        instructions(found["instructions"]["counts"]),
        INSTRUCTIONS,
    ]
    return "\n\n".join(parts) + "\n"


def wrapped(text: str, **values: object) -> str:
    """With its values, which lengthen lines."""
    return textwrap.fill(" ".join(text.format(**values).split()), 120, break_long_words=False, break_on_hyphens=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is text, all others are numbers."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """A digit behind the point where the whole number would say little."""
    return f"{value:.1f}" if abs(value) < 10 and value != int(value) else f"{value:,.0f}".replace(",", " ")


def beside(floor: dict[str, float], key: str | None) -> str:
    return "" if key is None else number(floor[key])


def way(rows: Sequence[dict[str, Any]], floor: dict[str, float]) -> str:
    heads = ["stage", "µs", "mean", "the median one", "on a processor", "system calls", "page faults", "floor, µs"]
    return table(
        heads,
        [
            [
                row["name"],
                *(number(row[key]) for key in ("wall", "mean", "median_one", "processor", "calls", "faults")),
                beside(floor, PATH.get(index)),
            ]
            for index, row in enumerate(rows)
        ],
    )


def behind(rows: Sequence[dict[str, Any]], floor: dict[str, float]) -> str:
    """`floor`: by the same names."""
    lines = [
        [row["name"], number(row["wall"]), beside(floor, row["name"] if row["name"] in floor else None)] for row in rows
    ]
    return table(["what", "µs", "floor, µs"], lines)


def making(rows: Sequence[dict[str, Any]], floor: dict[str, float]) -> str:
    """Without the steps that take less than a microsecond."""
    heads = ["step", "µs", "mean", "on a processor", "system calls", "page faults", "floor, µs"]
    lines = [
        [
            row["name"],
            *(number(row[key]) for key in ("wall", "mean")),
            "" if row["name"].endswith((BEGIN, READY, WHOLE)) else number(row["processor"]),
            *("" if row["name"] == WHOLE else number(row[key]) for key in ("calls", "faults")),
            beside(floor, MAKING.get(row["name"])),
        ]
        for row in rows
        if row["mean"] >= 1 or row["name"] in MAKING
    ]
    return table(heads, lines)


def totals(found: dict[str, Any]) -> str:
    lines = [[name, number(one.processor), number(one.calls), number(one.faults)] for name, one in found.items()]
    return table(["who", "processor time, µs", "system calls", "page faults"], lines)


def instructions(counts: dict[str, int]) -> str:
    return table(["part", "instructions"], [[name, number(count)] for name, count in counts.items()])


INTRODUCTION = """\
{executions} executions of `2 + 2`, embedded, one every 20 ms, default configuration, traced by the kernel
itself{unread}. Times are microseconds and medians of all executions; *the median one* is the execution whose whole
took as long as the median, so its column adds up. Tracing costs time as well, most where there are many system calls
and page faults: the same client took {untraced} µs without tracing and {traced} µs with it (medians). Read the tables
for the shares; how long an execution takes is in [Benchmarks](../../BENCHMARKS.md)."""

WAY = """\
A stage ends when somebody is woken or has sent something. *On a processor* is what the threads of the stage's process
ran in it, together; the rest is waiting: for a processor, for a lock of the kernel, or for a virtual machine's
processor to wake up. System calls and page faults are those of the same process. An answer is sent once nothing of
the code can run any more. Where the executor sees that for itself (the code's process is past its last own
instruction, and was alone), nobody is waited for, and the two stages behind the code's answer are zero. Otherwise it
waits until init, the zygote or the kernel says that nothing is left. {early} of {executions} answers were sent before
the kernel had taken the code's process apart."""

BEHIND = """\
What the client does not wait for, or only in part. The kernel takes the code's process apart, whether the answer waits
for that or not; the floor beside it is the end of a smaller process, until its parent has waited for it. Init idles
until the executor lets it go, a while behind the answer; its own end takes with it what is left of the sandbox. The
floor of both is their end as who waits for them sees it. The executor's processor time is everything that it does
until the next call: the books, the control groups, the order for the next sandbox."""

MAKING_TEXT = """\
Medians of {makings} sandboxes, which were made behind answers. Init and the code's process run beside each other for
a while, and wait for each other, so the steps do not add up to the whole. A step that takes long and little processor
time waits, such as for a lock that the whole kernel shares; where that happens to some sandboxes only, the mean is
above the median. Each system call counts with the kind it belongs to; *its own code* is everything outside of them.
Which pages an execution will touch is known from a rehearsal; the kernel is asked for all of them before one waits
for them. Those that it copies then stand under page faults, though none of them is one. Steps below a microsecond are
left out."""

TOTALS = """\
From the first call to the end of the trace, divided by the number of calls: also what happens behind the answer. Init
and the code's process are counted over their whole life. Kernel threads do what processes leave to them, such as
taking apart namespaces and control groups. The last line should be small; otherwise the machine was not quiet."""

FLOOR = """\
The column *floor* is the same work done with bare system calls by a program of its own (`benches/floor`), in the same
run and at the same pace. For the answer: four processes with Unix sockets between them; the one that is parked is a
fork of a process with {mebibytes} MiB of memory, has copied {touched} pages before it parks, copies {run} more when
it runs, answers and ends; its parent waits for it, and only then the client has its answer. So the floor's whole
contains that end, for which an execution need not wait. For the making: a clone into the same five namespaces, /proc
and five tmpfs, a second process, the same number of copied pages, no rights, Landlock with one rule, a filter of four
refused calls. No Python runs in it, and nothing is checked, limited or recorded. What is above the floor is Python,
the checks, and what the product does; the floor itself only a smaller process or another kernel lowers."""

INSTRUCTIONS = """\
Instructions in user space, counted under callgrind by `make bench-instructions` and committed in
`benches/instructions.json`. The first lines are what the Rust side does for one request, one message at a time, with
what is around it (runtime, sockets) left out; the last is one run of the guest's Python."""
