"""One wall taken away at a time, with the product's own code: the programs that prove this wall must notice.

The library that leaves out a wall is built for this and for nothing else, and so is the daemon that accepts it. The
whole of it runs in a cage, see `outer.py`, never in the machine's own namespaces.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from security.arena import COMMANDS, Arena, Trial
from security.caged import LIBRARY, Guest, end_orphans
from security.conftest import ArenaOf
from security.housing import caged_arena
from security.programs import FOLDER, SELF_JUDGING, Program
from security.suite import EXPECTED_SELF_JUDGING, WITHOUT_COURTESY, beside

# By tier and wall.
RECORD: dict[str, dict[str, list[str]]] = json.loads((FOLDER / "walls.json").read_text())
REMOVED = [(tier, wall) for tier, walls in RECORD.items() for wall in walls]
BARE = json.loads((FOLDER / "bare-cage.json").read_text())
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", FOLDER.parents[1] / "target"))
REMOVABLE = TARGET / "walls/debug" / LIBRARY.name
DAEMON = TARGET / "debug/codemode-without-walls"
MARKER = b"/codemode-without-"
# The others show that nobody comes to harm, which no wall has a part in.
OF_WALLS = [program for program in SELF_JUDGING if not BARE["held"].get(program.id, "").startswith("no wall")]

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="only root can make a cage around an executor; the main run does"
)


@pytest.fixture(scope="module", params=REMOVED, ids="-without-".join)
def removed(request: pytest.FixtureRequest) -> tuple[str, str]:
    tier, wall = request.param
    return tier, wall


@pytest.fixture(scope="module")
def arena_without(removed: tuple[str, str]) -> Iterator[ArenaOf]:
    assert REMOVABLE.is_file(), f"{REMOVABLE} is missing: run `make build-walls`"
    tier, wall = removed
    kind = {"full": "walls", "container": "container"}[tier]
    with ExitStack() as stack:
        guest = Guest(REMOVABLE, f"codemode-without-{wall}", DAEMON)
        made = {mode: stack.enter_context(caged_arena(kind, mode, guest)) for mode in COMMANDS}
        yield lambda program: made[program.mode]


def test_every_program_is_turned_red_or_listed() -> None:
    """`held` in bare-cage.json says what holds the rest though the walls are down."""
    ids = {program.id for program in SELF_JUDGING}
    red = {*BARE["escapes"], *(id for tier, wall in REMOVED for id in RECORD[tier][wall])}
    assert len(ids) == EXPECTED_SELF_JUDGING
    assert red <= {program.id for program in OF_WALLS}
    assert red <= ids
    assert ids - red <= set(BARE["held"])


def test_no_wheel_can_leave_out_a_wall() -> None:
    assert MARKER in REMOVABLE.read_bytes(), "the marker is not what tells the two apart"
    assert MARKER not in LIBRARY.read_bytes()


def test_the_wall_is_really_gone(removed: tuple[str, str], arena_without: ArenaOf) -> None:
    arena = arena_without(SELF_JUDGING[0])
    gone = {
        ("full", "landlock"): "open('/.landlock-witness').read() != ''",
        ("full", "seccomp"): "'Seccomp:\\t0' in open('/proc/self/status').read()",
        ("full", "namespaces"): f"__import__('os').readlink('/proc/self/ns/net') == {_network_of(arena)!r}",
        ("container", "landlock"): "open('/proc/version').read() != ''",
        # The container engine's filter is still there, and lets nobody off this.
        ("container", "seccomp"): "__import__('socket').socket().close() is None",
    }
    result = arena.client.execute(WITHOUT_COURTESY + gone[removed])
    assert (result.result, result.isolation.tier) == (True, removed[0]), result


def _network_of(arena: Arena) -> str:
    return os.readlink(f"/proc/{arena.pid}/ns/net")


@pytest.mark.parametrize("program", OF_WALLS, ids=lambda program: program.id)
def test_without_a_wall(removed: tuple[str, str], program: Program, arena_without: ArenaOf) -> None:
    tier, wall = removed
    arena = arena_without(program)
    try:
        trials = []
        for _ in range(program.repeat):
            with beside(program, arena):
                trials.append(arena.run(program, before=WITHOUT_COURTESY))
        told = trials[-1].told()
        if program.id in RECORD[tier][wall]:
            assert any(map(got_through, trials)), f"it can prove nothing any more:\n{told}"
        else:
            # Elsewhere it may get through: another kernel, another setting. But it was run, and came to an end.
            assert "VERDICT: " in told or program.passes_with(trials[-1].result.outcome, tier), told
    finally:
        end_orphans(arena.executor)
        arena.clean()


def got_through(trial: Trial) -> bool:
    return "VERDICT: ESCAPED" in trial.result.stdout or bool(trial.visited)
