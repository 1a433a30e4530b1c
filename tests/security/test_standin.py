"""Every program of the corpus in tier container, in what stands in for a container: see `standin.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from security.arena import COMMANDS
from security.caged import OWNER
from security.conftest import ArenaOf
from security.housing import caged_arena
from security.programs import NOT_BINDING, PROGRAMS, SELF_JUDGING, Program
from security.suite import Suite

suite = Suite()

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make the stand-in; the main run does")


@pytest.fixture(scope="module")
def container_of() -> Iterator[ArenaOf]:
    with ExitStack() as stack:
        made = {mode: stack.enter_context(caged_arena("container", mode)) for mode in COMMANDS}
        yield lambda program: made[program.mode]


def test_it_is_tier_container(container_of: ArenaOf) -> None:
    isolation = container_of(PROGRAMS[0]).client.execute("1").isolation
    assert isolation.tier == "container"
    assert any("landlock" in layer for layer in isolation.layers)


def test_files_arrive_owned_by_the_owner_of_the_folder(container_of: ArenaOf) -> None:
    arena = container_of(PROGRAMS[0])
    result = arena.client.execute("open('/outputs/mine.txt', 'w').write('x')")
    assert [artifact.path for artifact in result.artifacts] == ["mine.txt"], result
    assert (arena.outputs / "mine.txt").stat().st_uid == OWNER
    arena.clean()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_holds(program: Program, container_of: ArenaOf) -> None:
    suite.holds(program, container_of(program))


@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program.id)
def test_without_courtesy(program: Program, container_of: ArenaOf) -> None:
    suite.holds_without_courtesy(program, container_of(program))


def test_every_program_ran(request: pytest.FixtureRequest) -> None:
    suite.check_that_all_ran(request)


def test_what_does_not_bind_is_not_promised(container_of: ArenaOf) -> None:
    """Each program whose verdict says nothing in this tier names a sentence that the tier itself prints."""
    assert {program.id for program in PROGRAMS if not program.binds_in("container")} == set(NOT_BINDING["container"])
    said = container_of(PROGRAMS[0]).client.execute("1").isolation.not_promised
    assert set(NOT_BINDING["container"].values()) <= set(said), said
