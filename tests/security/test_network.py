"""The programs about the network, with mode `restricted`: on the ground of tests/network, in both tiers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from network.housing import KINDS
from security.network_arena import NetworkArena, network_arena
from security.programs import FOLDER, NETWORK_PROGRAMS, Program
from security.suite import Suite
from security.test_walls import got_through

EXPECTED, EXPECTED_SELF_JUDGING = 82, 73
RECORD: dict[str, Any] = json.loads((FOLDER / "bare-network.json").read_text())
ESCAPES: list[str] = RECORD["escapes"]
HELD: dict[str, str] = RECORD["held"]
SELF_JUDGING = [program for program in NETWORK_PROGRAMS if program.judges_itself]
suites = {tier: Suite(NETWORK_PROGRAMS, (EXPECTED, EXPECTED_SELF_JUDGING), f"{tier}-") for tier in KINDS}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the ground; the main run does")


@pytest.fixture(scope="module", params=list(KINDS))
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


def test_every_program_ran(tier: str, request: pytest.FixtureRequest) -> None:
    suites[tier].check_that_all_ran(request)


def test_every_program_is_on_one_list() -> None:
    assert set(ESCAPES) | set(HELD) == {program.id for program in SELF_JUDGING}
    assert not set(ESCAPES) & set(HELD)
    assert len(ESCAPES) >= 3 * len(HELD), "a suite that nothing can turn red proves nothing"


@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program.id)
def test_walls_down(program: Program, open_arena: NetworkArena) -> None:
    """The run that must fail: mode all, and in the proxy's place one that asks nobody."""
    trial = open_arena.run(program)
    open_arena.clean()
    if program.id in ESCAPES:
        assert got_through(trial), f"it can prove nothing any more:\n{trial.told()}"
    else:
        assert "VERDICT: " in trial.result.stdout, trial.told()
