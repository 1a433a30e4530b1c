"""Looks at processes from outside: who descends from whom, who is left, what they cost."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass
from pathlib import Path

# How often a family has to look the same, and how long after one another, to be called at rest.
_LOOKS, _PAUSE = 10, 0.02


@dataclass(frozen=True)
class Process:
    pid: int
    started: int  # in clock ticks since boot: a reused pid is another process

    def alive(self) -> bool:
        # A zombie has ended, and so has one that nobody will collect (X), which the kernel is about to forget.
        return _process(self.pid) == self and state(self.pid) not in ("Z", "X")


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat behind the name, which may hold anything; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _process(pid: int) -> Process | None:
    fields = _stat(pid)
    return Process(pid, int(fields[19])) if fields else None


def state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else "gone"


def everyone() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid: int) -> list[int]:
    return [other for other in everyone() if (fields := _stat(other)) and int(fields[1]) == pid]


def descendants(pid: int) -> list[Process]:
    """All of them at this moment, the process itself not included."""
    found, to_visit = [], [pid]
    parents = {other: int(fields[1]) for other in everyone() if (fields := _stat(other))}
    while to_visit:
        parent = to_visit.pop()
        for child in (other for other, its_parent in parents.items() if its_parent == parent):
            to_visit.append(child)
            if process := _process(child):
                found.append(process)
    return found


def at_rest(pid: int, seconds: float = 20.0) -> list[Process]:
    """The descendants, once they stay the same: behind an answer one sandbox is taken down and another made."""
    deadline = time.monotonic() + seconds
    seen: list[list[Process]] = []
    while len(seen) < _LOOKS or any(look != seen[-1] for look in seen[-_LOOKS:]):
        assert time.monotonic() < deadline, f"still changing: {seen[-2:]}"
        seen.append(descendants(pid))
        time.sleep(_PAUSE)
    return seen[-1]


def named(comm: str) -> list[Process]:
    """Processes that gave themselves this name, of at most 15 bytes."""
    found = []
    for pid in everyone():
        try:
            if Path(f"/proc/{pid}/comm").read_text().rstrip("\n") == comm and (process := _process(pid)):
                found.append(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def left_after(processes: list[Process], seconds: float) -> list[Process]:
    """Waits until each has ended, at most so long; returns those that have not. No polling: the kernel says so."""
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            if process.alive():
                select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(descriptor)
    return [process for process in processes if process.alive()]


def memory(pid: int, key: str) -> int:
    """A line of /proc/PID/status in bytes, such as VmRSS or VmHWM (the highest it ever was)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(key)


def descriptors(pid: int) -> int:
    """How many are open. An executor shows nobody which; the number is the folder's size (Linux 6.2)."""
    return os.stat(f"/proc/{pid}/fd").st_size
