"""Every test here runs the image in real containers. Those that name `setup` run in both: the documentation's compose
block (tier container), and hardened.yml (tier full as an ordinary user)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from codemode import ClientConfig, Codemode, ComponentRegistry
from demo.jobs import JOBS, Job
from demo.jobs import Place as DemoPlace
from docker import engine
from docker.compose import Network
from docker.container import Container
from docker.engine import HARDENED, KEY, SEEDS, Setup

Started = Callable[..., Container]
HYBRID: Job = next(job for job in JOBS if job.name == "hybrid")


@dataclass(frozen=True)
class Folders:
    workspace: Path
    outputs: Path


@dataclass(frozen=True)
class Served:
    """A container that serves for the whole run, with the demo's first job in its workspace."""

    setup: Setup
    network: Network
    container: Container
    demo: DemoPlace


@pytest.fixture(scope="session", autouse=True)
def the_engine() -> None:
    try:
        engine.ensure_engine()
    except RuntimeError as error:
        pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session", params=[SEEDS, HARDENED], ids=lambda setup: setup.name)
def setup(request: pytest.FixtureRequest) -> Setup:
    return cast(Setup, request.param)


@pytest.fixture(scope="session", params=["internal", "socket"])
def served(request: pytest.FixtureRequest, setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp(f"{setup.name}-{request.param}")
    demo = DemoPlace(base, base / "outputs")
    demo.outputs.mkdir()
    demo.workspace("hybrid").parent.mkdir()
    HYBRID.prepare(demo, demo.workspace("hybrid"))
    with engine.run(setup, demo.workspace("hybrid"), demo.outputs, network=request.param) as container:
        yield Served(setup, request.param, container, demo)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "workspace", tmp_path / "outputs")
    made.workspace.mkdir()
    (made.workspace / "data.txt").write_text("one\ntwo\nthree\n")
    made.outputs.mkdir()
    return made


@pytest.fixture
def start(setup: Setup, folders: Folders) -> Iterator[Started]:
    """A container of the test's own: `start(env)`."""
    with ExitStack() as running:

        def make(env: dict[str, str] | None = None, **options: Any) -> Container:
            container = engine.run(setup, folders.workspace, folders.outputs, env, **options)
            return running.enter_context(container)

        yield make


def client(container: Container, key: str | None = KEY, **tools: Any) -> Codemode:
    registry = ComponentRegistry()
    for name, tool in tools.items():
        registry.register_tool(name, tool, description=f"The tool {name}.")
    config = ClientConfig(executor_url=container.url, executor_api_key=key)
    return Codemode.from_client_config(config, registry=registry)
