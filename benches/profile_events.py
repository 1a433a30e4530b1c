"""What the kernel's tracing wrote, line by line. Times are microseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINE = re.compile(r"^\s*.+-(\d+)\s+\[(\d+)\]\s+(\S+)\s+(\d+\.\d+): (\w+): ?(.*)$")
SWITCH = re.compile(r"prev_state=(\S+) ==> .*next_pid=(\d+)")
PID = re.compile(r"\bpid=(\d+)")
CHILD = re.compile(r"child_pid=(\d+)")
CALL = re.compile(r"NR (-?\d+) \((\w+)(?:, (\w+), (\w+))?")
RESULT = re.compile(r"NR (-?\d+) = (-?\d+)")

ENTER, EXIT = "sys_enter", "sys_exit"
SWITCHED, WAKING, FORKED = "sched_switch", "sched_waking", "sched_process_fork"
MADVISE, POPULATE_WRITE = 28, 23
MARK = "tracing_mark_write"
FAULTS = ("page_fault_user", "page_fault_kernel")


@dataclass(frozen=True)
class Event:
    """`task`: who did it. `other`: whom it is about (the next, the woken, the child), or the number of a system call;
    `value`: what the call gave, or when it begins the bytes that it asks to be copied; `word`: the state of a task that
    stops, the text of a mark."""

    time: float
    cpu: int
    task: int
    name: str
    other: int = 0
    value: int = 0
    word: str = ""


def parsed(lines: Iterable[str]) -> Iterator[Event]:
    """Without what interrupts did: they happen in whatever task runs just then."""
    for line in lines:
        found = LINE.match(line)
        if found is None:
            continue
        task, cpu, flags, time, name, text = found.groups()
        if name == WAKING and is_interrupt(flags):
            continue
        other, value, word = details(name, text)
        yield Event(float(time) * 1e6, int(cpu), int(task), name, other, value, word)


def completed(events: Iterable[Event]) -> Iterator[Event]:
    """With the switches that the kernel did not trace, as it may on a processor that was idle: who does something there
    has been switched to."""
    running: dict[int, int] = {}
    for event in events:
        if running.setdefault(event.cpu, event.task) != event.task:
            yield Event(event.time, event.cpu, running[event.cpu], SWITCHED, event.task, word="R")
        running[event.cpu] = event.other if event.name == SWITCHED else event.task
        yield event


def is_interrupt(flags: str) -> bool:
    """The third of the flags is about hard and soft interrupts."""
    return len(flags) > 2 and flags[2] in "hHsSzZ"


def details(name: str, text: str) -> tuple[int, int, str]:
    if name == SWITCHED and (found := SWITCH.search(text)):
        return int(found[2]), 0, found[1]
    if name == FORKED and (found := CHILD.search(text)):
        return int(found[1]), 0, ""
    if name == ENTER and (found := CALL.search(text)):
        return int(found[1]), copied(*found.groups()), ""
    if name == EXIT and (found := RESULT.search(text)):
        return int(found[1]), int(found[2]), ""
    if name == WAKING and (found := PID.search(text)):
        return int(found[1]), 0, ""
    return 0, 0, text.strip() if name == MARK else ""


def copied(number: str, _first: str, length: str | None, advice: str | None) -> int:
    """madvise with MADV_POPULATE_WRITE, in a fork."""
    return int(length or "0", 16) if (int(number), int(advice or "0", 16)) == (MADVISE, POPULATE_WRITE) else 0


class Processors:
    """When each task had a processor."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.spans: dict[int, list[tuple[float, float]]] = {}
        since: dict[int, float] = {}
        for event in events:
            begun = since.setdefault(event.cpu, event.time)
            if event.name == SWITCHED:
                self.spans.setdefault(event.task, []).append((begun, event.time))
                since[event.cpu] = event.time

    def time(self, tasks: Iterable[int], begin: float, end: float) -> float:
        """Of these tasks between two moments."""
        return sum(
            max(0.0, min(until, end) - max(since, begin))
            for task in tasks
            for since, until in self.spans.get(task, [])
            if since < end and until > begin
        )
