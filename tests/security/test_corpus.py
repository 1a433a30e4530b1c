"""Every program of the corpus in a real sandbox of tier full, with the look at the executor after each."""

from __future__ import annotations

import pytest

from security.conftest import ArenaOf
from security.programs import PROGRAMS, SELF_JUDGING, Program
from security.suite import WITHOUT_COURTESY, Suite

suite = Suite()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_holds(program: Program, arena_of: ArenaOf) -> None:
    suite.holds(program, arena_of(program))


@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program.id)
def test_without_courtesy(program: Program, arena_of: ArenaOf) -> None:
    suite.holds_without_courtesy(program, arena_of(program))


def test_the_courtesy_is_really_gone(arena_of: ArenaOf) -> None:
    arena = arena_of(PROGRAMS[0])
    code = "try: open('/etc/shadow')\nexcept OSError as error: result = str(error)"
    assert "unauthorized_path" in arena.client.execute(code).result
    assert "unauthorized_path" not in arena.client.execute(WITHOUT_COURTESY + code).result


def test_every_program_ran(request: pytest.FixtureRequest) -> None:
    suite.check_that_all_ran(request)
