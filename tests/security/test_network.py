"""The programs about the network, with mode `restricted`: on the ground of tests/network, in both tiers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.housing import ALSO, KINDS
from security.bare import run_bare
from security.caged import Guest
from security.network_arena import NetworkArena, network_arena
from security.programs import FOLDER, NETWORK_PROGRAMS, Program
from security.suite import Suite
from security.test_walls import DAEMON, REMOVABLE, got_through

EXPECTED, EXPECTED_SELF_JUDGING = 82, 73
# Which programs get through where the network's walls are down, which where all are, and what holds the others there.
RECORD: dict[str, Any] = json.loads((FOLDER / "bare-network.json").read_text())
ESCAPES: list[str] = RECORD["escapes"]
ESCAPES_IN_THE_BARE_CAGE: list[str] = RECORD["escapes_in_the_bare_cage"]
HELD: dict[str, str] = RECORD["held"]
WITHOUT = [(tier, wall) for tier, walls in RECORD["without"].items() for wall in walls]
BY_ID = {program.id: program for program in NETWORK_PROGRAMS}
SELF_JUDGING = [program for program in NETWORK_PROGRAMS if program.judges_itself]
# The programs reach what is allowed, or they would prove nothing: by another name in its place.
CONTROLS = {
    "own-nr-001": ("'evil-allowed.test'", "'api.allowed.test'", ["http", "socks"]),
    "own-nr-031": ("'evil.test'", "'api.allowed.test'", ["api.allowed.test"]),
    "own-nr-032": ("'evil.test'", "'api.allowed.test'", ["api.allowed.test"]),
}
suites = {tier: Suite(NETWORK_PROGRAMS, (EXPECTED, EXPECTED_SELF_JUDGING), f"{tier}-") for tier in (*KINDS, *ALSO)}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the ground; the main run does")


@pytest.fixture(scope="module", params=[*KINDS, *ALSO])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def arena(tier: str) -> Iterator[NetworkArena]:
    with network_arena(tier) as made:
        yield made


@pytest.fixture(scope="module")
def open_arena() -> Iterator[NetworkArena]:
    with network_arena("full", walls=False) as made:
        yield made


@pytest.mark.parametrize("program", NETWORK_PROGRAMS, ids=lambda program: program.id)
def test_holds(program: Program, tier: str, arena: NetworkArena) -> None:
    suites[tier].holds(program, arena)


@pytest.mark.parametrize("id", CONTROLS)
def test_what_is_allowed_is_reached_in_the_same_way(id: str, arena: NetworkArena) -> None:
    forbidden, allowed, ways = CONTROLS[id]
    code = BY_ID[id].filled(arena.places).replace(forbidden, allowed)
    printed = arena.execute(code, 20).stdout
    assert "VERDICT: ESCAPED" in printed and all(way in printed for way in ways), printed


def test_every_program_ran(tier: str, request: pytest.FixtureRequest) -> None:
    suites[tier].check_that_all_ran(request)


def test_every_program_is_on_one_list() -> None:
    lists = [*ESCAPES, *ESCAPES_IN_THE_BARE_CAGE, *HELD]
    assert sorted(lists) == [program.id for program in SELF_JUDGING]
    assert len(ESCAPES) >= 3 * len(HELD), "a suite that nothing can turn red proves nothing"


# What the servers here make of names that are none is told nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program.id)
def test_walls_down(program: Program, open_arena: NetworkArena) -> None:
    """The run that must fail: mode all, and in the proxy's place one that asks nobody."""
    trial = open_arena.run(program)
    open_arena.clean()
    if program.id in ESCAPES:
        assert got_through(trial), f"it can prove nothing any more:\n{trial.told()}"
    else:
        assert "VERDICT: " in trial.result.stdout, trial.told()


@pytest.fixture(scope="module", params=WITHOUT, ids="-without-".join)
def removed(request: pytest.FixtureRequest) -> tuple[str, str]:
    tier, wall = request.param
    return tier, wall


@pytest.fixture(scope="module")
def arena_without(removed: tuple[str, str]) -> Iterator[NetworkArena]:
    tier, wall = removed
    with network_arena(tier, guest=Guest(REMOVABLE, f"codemode-without-{wall}", DAEMON)) as made:
        yield made


def test_without_a_wall(removed: tuple[str, str], arena_without: NetworkArena) -> None:
    """One wall at a time, with the product's own code; the egress proxy stands."""
    tier, wall = removed
    for id in RECORD["without"][tier][wall]:
        trial = arena_without.run(BY_ID[id])
        arena_without.clean()
        assert got_through(trial), f"it can prove nothing any more:\n{trial.told()}"


@pytest.mark.parametrize("id", ESCAPES_IN_THE_BARE_CAGE)
def test_all_walls_down(id: str, tmp_path: Path) -> None:
    """What other walls than the network's hold."""
    assert "VERDICT: ESCAPED" in run_bare(BY_ID[id], tmp_path)
