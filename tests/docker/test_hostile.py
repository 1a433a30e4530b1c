"""The whole hostile suite in the real container, under the documentation's own compose file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from docker import engine
from security.arena import COMMANDS, Arena, fill_workspace, policy
from security.conftest import ArenaOf
from security.executor import Executor
from security.housing import arena_near
from security.programs import PROGRAMS, Program
from security.suite import Suite

INTERPRETER = Path("/opt/python/bin/python3")
# What executions share there, and may leave nothing in.
SHARED = ("sandbox", "tmp", "dev/shm")

suite = Suite()


@pytest.fixture(scope="module")
def container_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArenaOf]:
    with ExitStack() as stack:
        made = {mode: stack.enter_context(_arena(mode, tmp_path_factory.mktemp(mode))) for mode in COMMANDS}
        yield lambda program: made[program.mode]


@contextmanager
def _arena(mode: str, folder: Path) -> Iterator[Arena]:
    workspace = fill_workspace(folder / "workspace")
    outputs = folder / "outputs"
    outputs.mkdir()
    config = folder / "codemode.yaml"
    wanted = policy(COMMANDS[mode], "/workspace", "/outputs", INTERPRETER)
    config.write_text(json.dumps({"host": "0.0.0.0", **wanted}))  # JSON is YAML
    with engine.run(engine.SEEDS, workspace, outputs, config=config) as container:
        init = container.inspect()["State"]["Pid"]
        executor = Executor(
            url=container.url,
            key=engine.KEY,
            tier="container",
            pid=container.pid,
            family=init,
            outputs=outputs,
            outputs_there=("/outputs", "/mnt/outputs"),
            shared=tuple(Path(f"/proc/{init}/root") / name for name in SHARED),
            log=container.logs,
            one_at_a_time=True,
        )
        with arena_near(executor, mode, workspace) as arena:
            yield arena


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.id)
def test_holds(program: Program, container_of: ArenaOf) -> None:
    suite.holds(program, container_of(program))


def test_every_program_ran(request: pytest.FixtureRequest) -> None:
    suite.check_that_all_ran(request)
