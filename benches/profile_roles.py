"""Who is who in a trace: by the tree of processes, as it was when tracing began and as it grew."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

import processes
from profile_events import FORKED, Event

CLIENT, EXECUTOR, ZYGOTE, INIT, CODE = "client", "executor", "zygote", "init", "code's process"
# From the client down, each the child of the one before.
TREE = (CLIENT, EXECUTOR, ZYGOTE, INIT, CODE)
# What such a process makes is another process; what the others make are threads of their own.
FORKS = {ZYGOTE: INIT, INIT: CODE}


@dataclass
class Roles:
    """Tasks are threads; a process is named by its first."""

    role: dict[int, str] = field(default_factory=dict)
    process: dict[int, int] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)

    def add(self, task: int, process: int, role: str, parent: int = 0) -> None:
        self.role[task], self.process[task] = role, process
        if parent:
            self.parent[process] = parent

    def grow(self, events: Iterable[Event]) -> Roles:
        for event in events:
            if event.name == FORKED and event.task in self.role:
                role, process = self.role[event.task], self.process[event.task]
                if role in FORKS:
                    self.add(event.other, event.other, FORKS[role], process)
                else:
                    self.add(event.other, process, role)
        return self

    def of(self, role: str) -> set[int]:
        return {task for task, own in self.role.items() if own == role}

    def threads(self, process: int) -> set[int]:
        return {task for task, own in self.process.items() if own == process}

    def code_of(self, init: int) -> int | None:
        return next((child for child, parent in self.parent.items() if parent == init), None)


def living(client: int) -> Roles:
    """The processes that there are, from /proc."""
    found = Roles()
    generation = {client: 0}
    for role in TREE:
        for process, parent in generation.items():
            for task in threads(process):
                found.add(task, process, role, parent)
        generation = {child: process for process in generation for child in processes.children(process)}
    return found


def threads(process: int) -> set[int]:
    try:
        return {int(name) for name in os.listdir(f"/proc/{process}/task")}
    except processes.GONE:
        return set()


def kernel_threads() -> set[int]:
    """All are children of the second process."""
    return processes.children(2)
