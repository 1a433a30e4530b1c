"""Tier container without its wardens: a cell whose warden is killed goes with it, and so does what it left."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e import processes
from security.arena import Arena
from security.housing import caged_arena
from security.waiting import eventually

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the stand-in; the main run does")

CROWD = 30_000

# A child that has left the session, files in every folder that executions share, and a call that takes its time.
CODE = """
import os, signal
if os.fork() == 0:
    os.setsid()
    signal.pause()
for folder in ('/sandbox', '/tmp', '/dev/shm', '/outputs'):
    os.mkdir(f'{folder}/cm_left')
    open(f'{folder}/cm_left/file', 'w').write('x')
    os.chmod(f'{folder}/cm_left', 0)
tools['sleep'].run(seconds=30, tag='never')
"""
LISTING = "import os\n[os.listdir(folder) for folder in ('/sandbox', '/tmp', '/outputs')]"


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with caged_arena("container", "plain") as arena:
        yield arena


def wardens(arena: Arena) -> list[int]:
    """Whose effective user is not their real one."""
    (zygote,) = processes.children(arena.pid)
    return [pid for pid in processes.children(zygote) if len(set(_users(pid)[:2])) == 2]


def parked(arena: Arena) -> int:
    """The warden of the one cell that waits for code."""
    assert eventually(lambda: len(wardens(arena)) == 1)
    (warden,) = wardens(arena)
    return warden


def crowd(arena: Arena, warden: int) -> None:
    """So much of its cell's that clearing it away takes a while."""
    folder, user = arena.executor.shared[1], int(_users(warden)[1])
    for number in range(CROWD):
        (folder / f"cm_{number}").touch()
        os.chown(folder / f"cm_{number}", user, user)


def cleaner(arena: Arena) -> int:
    """The process that clears away what a killed warden guarded, held in the middle of its work."""
    found = eventually(lambda: wardens(arena))
    assert len(found) == 1, found
    os.kill(found[0], signal.SIGSTOP)
    assert eventually(lambda: processes.state(found[0]) == "T")
    return found[0]


@contextmanager
def running(arena: Arena) -> Iterator[list[Any]]:
    """Its result is in the list afterwards."""
    arena.toolbox.called.clear()
    arena.toolbox.ended.clear()
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(arena.execute(CODE, 60)))
    thread.start()
    try:
        assert arena.toolbox.called.wait(30)
        yield results
        thread.join()
    finally:
        arena.toolbox.ended.set()
        thread.join()
        arena.toolbox.ended.clear()


def _users(pid: int) -> list[str]:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]


def test_what_a_killed_warden_guarded_is_ended_and_wiped(arena: Arena) -> None:
    with running(arena) as results:
        for pid in wardens(arena):
            os.kill(pid, signal.SIGKILL)
    assert results[0].outcome in ("killed", "crashed", "interrupted"), results
    assert eventually(lambda: arena.client.execute(LISTING).result == [[], [], []])
    arena.check_well()
    arena.clean()


def test_the_next_execution_starts_when_all_is_cleared_away(arena: Arena) -> None:
    warden = parked(arena)
    with running(arena) as results:
        crowd(arena, warden)
        os.kill(warden, signal.SIGKILL)
    assert results[0].outcome in ("killed", "crashed", "interrupted"), results
    assert arena.client.execute(LISTING).result == [[], [], []]
    arena.check_well()
    arena.clean()


def test_a_cell_that_is_being_cleared_away_gets_no_code(arena: Arena) -> None:
    warden = parked(arena)
    crowd(arena, warden)
    os.kill(warden, signal.SIGKILL)
    assert eventually(lambda: processes.state(warden) in ("gone", "Z", "X"))
    held = cleaner(arena)
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(arena.execute("1 + 1", 60)))
    thread.start()
    try:
        assert eventually(lambda: "taking another" in arena.executor.log()), results
    finally:
        os.kill(held, signal.SIGCONT)
        thread.join()
    assert (results[0].outcome, results[0].result) == ("ok", 2), results
    arena.check_well()


def test_the_code_cannot_signal_its_warden(arena: Arena) -> None:
    code = """
import os, signal
refused = 0
for number in (0, signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
    try:
        os.kill(os.getppid(), number)
    except PermissionError:
        refused += 1
refused
"""
    assert arena.client.execute(code).result == 4
    arena.check_well()
