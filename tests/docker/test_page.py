"""docs/docker.md does what it says: its blocks run in their order, and say what stands there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker import command
from docker.command import NAME, User, there
from docker.container import docker
from docker.engine import image

PAGE = Path(__file__).parents[2] / "docs" / "docker.md"
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
HOME = "/home/you"
# Between commands, on standard output.
MARK = "-- 0b7c9e --"


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    """Somebody whose engine has the image that the Dockerfile starts from."""
    saved = "codemode-test/saved:1"
    docker("tag", image(), saved)
    docker("tag", command.base(), command.USUAL_BASE)
    try:
        yield User(tmp_path)
    finally:
        if there():
            docker("rm", "--force", "--volumes", NAME)
        docker("tag", saved, image())
        docker("image", "rm", saved, command.USUAL_BASE)


def steps(block: str) -> list[tuple[str, str]]:
    """Each command, and what it says."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(words, said) for words, _, said in (part.partition("\n") for part in parts)]


def test_the_blocks_run_in_their_order(user: User) -> None:
    wanted = [step for block in BLOCKS for step in steps(block)]
    assert len(BLOCKS) == 4 and len(wanted) > 12
    script = "".join(f"{words}\necho '{MARK}'\n" for words, _ in wanted)
    ran = subprocess.run(
        ["bash", "-e"], input=script, check=False, cwd=user.home, env=user.environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    said = ran.stdout.replace(str(user.home), HOME).split(f"{MARK}\n")[:-1]
    for (words, expected), actual in zip(wanted, said, strict=True):
        # A build has its progress to tell.
        assert words == "codemode docker build" or actual == expected, words


def test_the_derived_image_has_its_base(user: User) -> None:
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # Nothing is downloaded: that pip is the environment's own, and asks for what the page says.
    first, run = dockerfile.splitlines()
    assert first == "FROM codemode/executor" and run.startswith("RUN pip install --no-cache-dir ")
    shown = docker("run", "--rm", "--network", "none", "--entrypoint", "bash", image(), "-c", "type -P pip")
    assert shown == "/opt/python/bin/pip\n"


def test_every_option_of_start_is_known() -> None:
    (table,) = re.findall(r"^\| option \|.*?\n\n", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    known = subprocess.run([command.CODEMODE, "docker", "start", "--help"], check=True, capture_output=True, text=True)
    for option in re.findall(r"--[a-z]+", table.replace("-- --env", "")):
        assert f"{option} <" in known.stdout, option
