"""Many executions as one: medians of their stages, and what each role takes for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from measure import middle
from profile_events import ENTER, FAULTS
from profile_making import WHOLE, Making
from profile_roles import CLIENT, TREE
from profile_stages import ANSWER, BEHIND, CALL, OVER, STAGES, Execution, Stage, Trace

KERNEL, OTHERS = "kernel threads", "everything else on the machine"


@dataclass(frozen=True)
class Taken:
    """By one role, for one execution."""

    processor: float
    calls: float
    faults: float


def stage(samples: Sequence[Stage]) -> dict[str, float]:
    return {
        "wall": middle([one.wall for one in samples]),
        "mean": fmean(one.wall for one in samples),
        "processor": middle([one.processor for one in samples]),
        "calls": middle([one.calls for one in samples]),
        "faults": middle([one.faults for one in samples]),
    }


def way(executions: Sequence[Execution]) -> list[dict[str, Any]]:
    """The stages in their order. `median_one`: of the execution that took as long as the median."""
    one = sorted(executions, key=lambda execution: execution.whole)[len(executions) // 2]
    rows = [
        {
            "name": name,
            **stage([execution.stages[index] for execution in executions]),
            "median_one": one.stages[index].wall,
        }
        for index, (name, _) in enumerate(STAGES)
    ]
    whole = {
        "name": "whole",
        "wall": middle([execution.whole for execution in executions]),
        "mean": fmean(execution.whole for execution in executions),
        "median_one": one.whole,
        **{
            key: middle([sum(getattr(each, key) for each in execution.stages) for execution in executions])
            for key in ("processor", "calls", "faults")
        },
    }
    return [*rows, whole]


def behind(executions: Sequence[Execution]) -> list[dict[str, Any]]:
    return [{"name": name, "wall": middle([one.behind[name] for one in executions])} for name in BEHIND]


def making(makings: Sequence[Making]) -> list[dict[str, Any]]:
    """In the order of the steps; a kind that some sandboxes have and others do not counts as nothing in those."""
    names = dict.fromkeys(name for made in makings for name in made.rows)
    none = Stage(0, 0, 0, 0)
    rows = [{"name": name, **stage([made.rows.get(name, none) for made in makings])} for name in names if name != WHOLE]
    return [*rows, {"name": WHOLE, **stage([made.rows[WHOLE] for made in makings])}]


def totals(trace: Trace, kernel: Iterable[int]) -> dict[str, Taken]:
    """From the first call to the end of the trace, divided by the calls: all that one execution costs, whenever."""
    marks = trace.marks()
    begin = next(mark.time for mark in marks if mark.word == CALL)
    end = next(mark.time for mark in marks if mark.word == OVER)
    count = sum(mark.word == CALL for mark in marks)
    tasks = {role: trace.roles.of(role) for role in TREE}
    # Of the thread that calls only what it does in a call: it also keeps the pace, and writes the marks.
    tasks[CLIENT].discard(trace.client)
    tasks[KERNEL] = set(kernel)
    known = set().union({0, trace.client}, *tasks.values())
    tasks[OTHERS] = trace.processors.spans.keys() - known
    window = trace.between(begin, end)
    found = {role: taken(trace, window, own, begin, end, count) for role, own in tasks.items()}
    called = [
        taken(trace, trace.between(since.time, until.time), {trace.client}, since.time, until.time, count)
        for since, until in pairwise(marks)
        if (since.word, until.word) == (CALL, ANSWER)
    ]
    found[CLIENT] = added([found[CLIENT], *called])
    return found


def taken(trace: Trace, events: Sequence[Any], tasks: set[int], begin: float, end: float, count: int) -> Taken:
    own = [event for event in events if event.task in tasks]
    return Taken(
        trace.processors.time(tasks, begin, end) / count,
        sum(event.name == ENTER for event in own) / count,
        sum(event.name in FAULTS for event in own) / count,
    )


def added(parts: Sequence[Taken]) -> Taken:
    return Taken(sum(one.processor for one in parts), sum(one.calls for one in parts), sum(one.faults for one in parts))
