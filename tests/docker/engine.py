"""Containers for tests, on the Docker Engine that `make test-docker` starts. tools/docker.py says how.

from docker import engine

engine.ensure_engine()
with engine.run_seeds_compose(workspace, outputs, {"CODEMODE_LOG_LEVEL": "debug"}) as container:
    client = Codemode.from_client_config(ClientConfig(executor_url=container.url, executor_api_key=engine.KEY))
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.compose import Network, Project
from docker.container import Container, docker

KEY = "k-52c8e0d1a7f94b36"

_HOST, _IMAGE = "DOCKER_HOST", "CODEMODE_DOCKER_IMAGE"


@dataclass(frozen=True)
class Setup:
    """One of the two ways in which the image is run."""

    name: str
    file: str
    """Under deploy/compose."""
    tier: str
    uid: int
    """The executor's own."""
    owner: tuple[int, int]
    """Whom the folder for outputs belongs to on the host."""


# Root with three capabilities serves a folder of anybody's; an ordinary user serves its own.
SEEDS = Setup("seeds", "docker-compose.yml", "container", 0, (12345, 23456))
HARDENED = Setup("hardened", "hardened.yml", "full", 10001, (10001, 10001))


def ensure_engine() -> None:
    """There is an engine and the image is on it, or this says what to do."""
    if not os.environ.get(_HOST) or not os.environ.get(_IMAGE):
        raise RuntimeError("these tests need a Docker Engine of their own and the image on it: run `make test-docker`")
    docker("image", "inspect", image())


def image() -> str:
    return os.environ[_IMAGE]


def run_seeds_compose(
    workspace: Path, outputs: Path, env: Mapping[str, str] | None = None, network: Network = "published"
) -> Container:
    """The documentation's compose block, merged with image, ports and environment. Returns once it serves."""
    return run(SEEDS, workspace, outputs, env, network)


def run_hardened_compose(
    workspace: Path, outputs: Path, env: Mapping[str, str] | None = None, network: Network = "published"
) -> Container:
    """The compose file that reaches tier full as an ordinary user. Returns once it serves."""
    return run(HARDENED, workspace, outputs, env, network)


def run(
    setup: Setup,
    workspace: Path,
    outputs: Path,
    env: Mapping[str, str] | None = None,
    network: Network = "published",
    config: Path | None = None,
) -> Container:
    """`config`: mounted over the image's own file."""
    os.chown(outputs, *setup.owner)
    project = Project(setup.file, network, {"CODEMODE_API_KEY": KEY, **(env or {})}, image(), config)
    try:
        project.lay_out(workspace, outputs, setup.uid)
        return project.up()
    except BaseException:
        project.remove()
        raise


def run_command(command: str, port: int) -> Container:
    """A `docker run -d` as a document prints it."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["docker", "run", "-d"], command
    identity = docker(*words[1:]).strip()
    container = Container(identity, f"http://127.0.0.1:{port}", lambda: docker("rm", "--force", "--volumes", identity))
    try:
        container.wait_for_log(" serving address=")
    except BaseException:
        container.remove()
        raise
    return container
