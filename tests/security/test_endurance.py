"""Thousands of executions, hostile and ordinary in turns: afterwards there is nothing more than after some hundred."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import pytest

from e2e import processes
from security.arena import Arena
from security.conftest import ArenaOf
from security.housing import caged_arena
from security.programs import SELF_JUDGING, Program
from security.suite import BESIDE
from security.toolbox import GRANTED

WARM_UP, EXECUTIONS, IN_A_CONTAINER = 400, 2_000, 300
# Of the daemon and its zygote together. An allocator keeps some pages back and gives others; a leak of one page for
# each execution would be 6 MiB.
FLAT = 4 << 20
# These take what is allowed of time or memory, or forbid every command; the corpus's own run looks at what they leave.
LEFT_OUT = {
    *("cb-008", "cb-011", "cb-015", "ex-016", "kn-011", "pr-013", "pr-016", "rs-006", "rs-008", "rs-011", "rs-013"),
    *("rs-018", "own-ex-002", "own-ex-010", "own-ex-012", "own-kn-011", "own-pr-007", "own-pr-008", "own-rs-001"),
    *("own-rs-002", "own-rs-003", "own-rs-004", "own-rs-005", "own-rs-011", "own-rs-016"),
}
ORDINARY = (
    ("sum(range(1000))", 499500),
    ("import json; json.loads('[1, 2]')", [1, 2]),
    ("tools['echo'].run(value='hello')", "hello"),
    ("open('/workspace/app.log').readline().strip()", "line 0"),
    ("open('/outputs/report.txt', 'w').write('x' * 1000)", 1000),
    ("import subprocess\nsubprocess.check_output(['wc', '-l', '/workspace/app.log'])[:3].decode()", "100"),
    ("open('/sandbox/big', 'wb').write(bytes(1 << 20))", 1 << 20),
    ("import threading\nthread = threading.Thread(target=print)\nthread.start(); thread.join(); 'joined'", "joined"),
)  # fmt: skip


def hostile(tier: str) -> list[Program]:
    fitting = (program for program in SELF_JUDGING if program.binds_in(tier) and BESIDE not in program.claims)
    return [program for program in fitting if program.id not in LEFT_OUT]


def jobs(arena: Arena, count: int) -> list[tuple[str, Any]]:
    """Code and the result it must have; None: it judges itself."""
    programs = [(program.filled(arena.places), None) for program in hostile(arena.executor.tier)]
    turns: Iterator[tuple[str, Any]] = chain.from_iterable(zip(cycle(programs), cycle(ORDINARY)))
    return list(islice(turns, count))


def go(arena: Arena, work: list[tuple[str, Any]], at_once: int) -> None:
    def one(job: tuple[str, Any]) -> None:
        code, wanted = job
        result = arena.client.execute(code, execution_timeout=30, tool_filter=GRANTED)
        if wanted is None:
            assert "VERDICT: ESCAPED" not in result.stdout, f"{code}\n{result.stdout}"
        else:
            # Also the proof that user ids come back: there are 256 of them.
            assert result.result == wanted, (code, result)

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, work))


def endure(arena: Arena, warm_up: int, count: int, at_once: int) -> None:
    work = jobs(arena, count)
    go(arena, work[:warm_up], at_once)
    before, mounts = resident(arena), len(Path("/proc/self/mountinfo").read_text().splitlines())
    go(arena, work[warm_up:], at_once)
    assert arena.left_behind() == []
    assert arena.same_processes(), "the zygote was replaced"
    assert len(Path("/proc/self/mountinfo").read_text().splitlines()) <= mounts
    grown = resident(arena) - before
    assert grown < FLAT, f"daemon and zygote hold {grown / 2**20:.1f} MiB more than after {warm_up} executions"
    arena.clean()


def resident(arena: Arena) -> int:
    return sum(processes.memory(pid, "VmRSS") for pid in (arena.pid, *arena.zygotes))


# Twenty seconds on a machine that has nothing else to do.
@pytest.mark.timeout(300)
def test_nothing_is_left_after_2000_executions(arena_of: ArenaOf) -> None:
    hybrid = next(program for program in hostile("full") if program.mode == "hybrid")
    endure(arena_of(hybrid), WARM_UP, EXECUTIONS, 2)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make the stand-in; the main run does")
def test_nothing_is_left_in_a_container() -> None:
    with caged_arena("container", "hybrid") as arena:
        endure(arena, IN_A_CONTAINER // 3, IN_A_CONTAINER, 1)
