"""Two executors for a whole module: one without commands, one with the documentation's own list."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from codemode import Codemode
from security.arena import COMMANDS, Arena, fill_workspace
from security.canaries import Canaries
from security.embedded import embedded
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
def arena_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArenaOf]:
    """Of tier full, on this machine."""
    workspace = fill_workspace(tmp_path_factory.mktemp("project") / "workspace")
    with ExitStack() as stack:
        # Not below a folder that only its owner may enter: the wall under test is another one.
        canaries = Canaries(Path("/var/tmp") / f"codemode-canary-{os.getpid()}", workspace)
        stack.callback(canaries.close)
        made = {}
        for mode, commands in COMMANDS.items():
            executor = stack.enter_context(embedded(tmp_path_factory.mktemp(mode), workspace, commands))
            made[mode] = Arena(executor, canaries, workspace)
            stack.callback(made[mode].close)
        yield lambda program: made[program.mode]
