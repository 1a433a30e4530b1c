"""What the kernel says about processes: families, memory, processor time. Bytes and seconds."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


def children(pid: int) -> set[int]:
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(stat(int(name))[1])
            except GONE:
                continue
            if parent == pid:
                found.add(int(name))
    return found


def descendants(pid: int) -> set[int]:
    found = children(pid)
    return found.union(*map(descendants, found)) if found else found


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """Of the process and of all its children that it has waited for."""
    fields = stat(pid)
    return sum(map(int, fields[11:15])) / TICK


def run_seconds(pids: set[int]) -> float:
    """What the processes have run so far, to the nanosecond; those that are gone count nothing."""
    total = 0
    for pid in pids:
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0])
        except GONE:
            continue
    return total / 1e9


def smaps(pid: int) -> dict[str, int]:
    """Pss, Private_Clean, Private_Dirty, … in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in map(str.split, lines)}


def private(pid: int) -> int:
    found = smaps(pid)
    return found["Private_Clean"] + found["Private_Dirty"]


def status(pid: int, field: str) -> int:
    """A field of /proc/PID/status that counts kibibytes, such as VmRSS and VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
