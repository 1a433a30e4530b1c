"""Arenas in cages: an executor of each mode with its own canaries near it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from security.arena import COMMANDS, Arena, environment, fill_workspace, policy
from security.cage import SYSTEM_PYTHON
from security.caged import ORDINARY, Guest, caged, caged_home
from security.canaries import Canaries
from security.executor import Executor


@contextmanager
def caged_arena(kind: str, mode: str, guest: Guest = ORDINARY) -> Iterator[Arena]:
    """`kind`: see `caged`. `mode`: of the programs that it is for."""
    with caged_home() as home:
        workspace = fill_workspace(home / "workspace")
        container = kind == "container"
        # In tier container the code reads the interpreter's files as any user would.
        interpreter = environment(home / "share/env", SYSTEM_PYTHON if container else sys.executable)
        folders = ("/workspace", "/outputs") if container else (str(workspace), str(home / "outputs"))
        wanted = policy(COMMANDS[mode], *folders, interpreter)
        with (
            caged(kind, home, wanted, workspace, guest) as executor,
            arena_near(executor, home.name, workspace) as arena,
        ):
            yield arena


@contextmanager
def arena_near(executor: Executor, name: str, workspace: Path) -> Iterator[Arena]:
    """With canaries of that name, in the network and the root that the executor has."""
    with canaries_near(executor, name, workspace) as canaries:
        arena = Arena(executor, canaries, workspace)
        try:
            yield arena
        finally:
            arena.close()


@contextmanager
def canaries_near(executor: Executor, name: str, workspace: Path) -> Iterator[Canaries]:
    canaries = Canaries(Path("/var/tmp") / f"codemode-canary-{name}", workspace, near=executor.pid)
    try:
        yield canaries
    finally:
        canaries.close()
