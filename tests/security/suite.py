"""One program in one arena: how it has to go. The same for every tier and every place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from security.arena import Arena
from security.programs import PROGRAMS, Program
from security.verdicts import judge

# A run that is green because programs were missing proves nothing.
EXPECTED, EXPECTED_SELF_JUDGING = 238, 150
BESIDE = "setup: another execution runs beside it"
# Empties the guest's table of courteous refusals: from then on only the kernel and the engine say no.
WITHOUT_COURTESY = """
import gc as _gc
for _table in _gc.get_objects():
    if type(_table) is dict and 'os.system' in _table and 'subprocess.Popen' in _table: _table.clear()
del _gc, _table
"""


class Suite:
    """Counts what ran. `within`: what the names of the tests say before the program's, `full-` or nothing."""

    def __init__(
        self,
        programs: Sequence[Program] = PROGRAMS,
        expected: tuple[int, int] = (EXPECTED, EXPECTED_SELF_JUDGING),
        within: str = "",
    ) -> None:
        self.programs, self.expected, self.within = programs, expected, within
        self.ran: list[str] = []

    def holds(self, program: Program, arena: Arena) -> None:
        try:
            for _ in range(program.repeat):
                with beside(program, arena) as others:
                    _run(program, arena)
                assert all(other.result == ("mine", "OTHER-SECRET") for other in others), others
            arena.check_well()
        finally:
            arena.clean()
            self.ran.append(program.id)

    def holds_without_courtesy(self, program: Program, arena: Arena) -> None:
        """The texts in the guest are no wall: taken away, the programs still hold."""
        try:
            _run(program, arena, WITHOUT_COURTESY)
            arena.answers()
        finally:
            arena.clean()

    def check_that_all_ran(self, request: pytest.FixtureRequest) -> None:
        """Of the module that asks. Where only some were selected, there is nothing to count."""
        ids = sorted(program.id for program in self.programs)
        assert (len(ids), sum(program.judges_itself for program in self.programs)) == self.expected
        assert len(set(ids)) == len(ids)
        selected = {item.name for item in request.session.items if item.path == request.path}
        if all(f"test_holds[{self.within}{id}]" in selected for id in ids):
            assert sorted(self.ran) == ids


def beside(program: Program, arena: Arena) -> AbstractContextManager[list[Any]]:
    """The other execution that some programs are to meet; its result is in the list afterwards."""
    return arena.bystander() if BESIDE in program.claims else nullcontext([])


def _run(program: Program, arena: Arena, before: str = "") -> None:
    trial = arena.run(program, before)
    if program.binds_in(arena.executor.tier):
        judge(trial)
