"""Two executors for the whole run: one without commands, one with the documentation's own list."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codemode import Codemode
from security.arena import HYBRID, Arena, fill_workspace
from security.canaries import Canaries
from security.programs import Program

ArenaOf = Callable[[Program], Arena]


@pytest.fixture(scope="session", autouse=True)
def the_walls_stand(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hostile programs follow. If code can see a file of the host, nothing else may run."""
    marker = tmp_path_factory.mktemp("host") / "marker"
    marker.write_text("x")
    with Codemode() as client:
        result = client.execute(f"import os\n[os.path.exists({str(marker)!r}), os.getuid() == 0]")
    if result.result != [False, False]:
        pytest.exit(f"the sandbox does not confine ({result}); no test was run", returncode=3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_workspace(tmp_path_factory.mktemp("project") / "workspace")


@pytest.fixture(scope="module")
def canaries(workspace: Path) -> Iterator[Canaries]:
    # Not below a folder that only its owner may enter: the wall under test is another one.
    outside = Canaries(Path("/var/tmp") / f"codemode-canary-{os.getpid()}", workspace)
    yield outside
    outside.close()


@pytest.fixture(scope="module")
def arena_of(tmp_path_factory: pytest.TempPathFactory, workspace: Path, canaries: Canaries) -> Iterator[ArenaOf]:
    made = {
        mode: Arena(tmp_path_factory.mktemp(mode), canaries, workspace, commands)
        for mode, commands in (("plain", []), ("hybrid", HYBRID))
    }
    yield lambda program: made[program.mode]
    for arena in made.values():
        arena.close()
