"""A control group around a whole cage, made and removed from outside; without one nothing is run there."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from security.waiting import eventually

_CGROUPS = Path("/sys/fs/cgroup")
_FILES = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max", "pids.max")}
_numbers = itertools.count()


@contextmanager
def bounded(memory: int, tasks: int) -> Iterator[Callable[[], None]]:
    """What a process calls to go in, tmpfs and all its descendants with it. Asserts at the end that nobody is left."""
    name = f"codemode-cage-{os.getpid()}-{next(_numbers)}"
    groups = {}
    for (controller, (first, second)), value in zip(_FILES.items(), (memory, tasks), strict=True):
        old = (_CGROUPS / controller).is_dir()
        groups[_CGROUPS / controller / name / first if old else _CGROUPS / name / second] = value
    folders = {file.parent for file in groups}
    for made in folders:
        made.mkdir(exist_ok=True)
    try:
        for file, value in groups.items():
            file.write_text(str(value))
        members = [str(made / "cgroup.procs") for made in folders]

        def enter() -> None:
            for path in members:
                with open(path, "w") as file:
                    file.write("0")

        yield enter
    finally:
        for made in folders:
            assert eventually(partial(_removed, made)), f"somebody is left in {made}"


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
