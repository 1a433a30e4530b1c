"""Every program of the corpus in a real sandbox, with the look at the executor after each."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from security.conftest import ArenaOf
from security.programs import PROGRAMS, SELF_JUDGING, Program
from security.verdicts import judge

# A run that is green because programs were missing proves nothing.
EXPECTED, EXPECTED_SELF_JUDGING = 238, 150
_ran: list[str] = []

# Empties the guest's table of courteous refusals: from then on only the kernel and the engine say no.
WITHOUT_COURTESY = """
import gc as _gc
for _table in _gc.get_objects():
    if type(_table) is dict and 'os.system' in _table and 'subprocess.Popen' in _table: _table.clear()
del _gc, _table
"""
BESIDE = "setup: another execution runs beside it"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_holds(program: Program, arena_of: ArenaOf) -> None:
    arena = arena_of(program)
    try:
        for _ in range(program.repeat):
            beside: AbstractContextManager[list[Any]] = (
                arena.bystander() if BESIDE in program.claims else nullcontext([])
            )
            with beside as others:
                trial = arena.run(program)
                judge(trial)
            assert all(other.result == ("mine", "OTHER-SECRET") for other in others), others
        arena.check_well()
    finally:
        arena.clean()
        _ran.append(program.id)


@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program.id)
def test_without_courtesy(program: Program, arena_of: ArenaOf) -> None:
    """The texts in the guest are no wall: taken away, the programs still hold."""
    arena = arena_of(program)
    try:
        judge(arena.run(program, before=WITHOUT_COURTESY))
        arena.answers()
    finally:
        arena.clean()


def test_the_courtesy_is_really_gone(arena_of: ArenaOf) -> None:
    arena = arena_of(PROGRAMS[0])
    code = "try: open('/etc/shadow')\nexcept OSError as error: result = str(error)"
    assert "unauthorized_path" in arena.client.execute(code).result
    assert "unauthorized_path" not in arena.client.execute(WITHOUT_COURTESY + code).result


def test_every_program_ran(request: pytest.FixtureRequest) -> None:
    assert len(PROGRAMS) == len({program.id for program in PROGRAMS}) == EXPECTED
    assert len(SELF_JUDGING) == EXPECTED_SELF_JUDGING
    selected = {item.name for item in request.session.items}
    if all(f"test_holds[{program.id}]" in selected for program in PROGRAMS):
        assert sorted(_ran) == sorted(program.id for program in PROGRAMS)
