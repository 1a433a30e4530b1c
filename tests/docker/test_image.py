"""What is in the image, and what it says about itself."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from docker import engine
from docker.container import docker

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def document() -> Any:
    (document,) = json.loads(docker("image", "inspect", engine.image()))
    return document


def _inside(*words: str) -> str:
    return docker("run", "--rm", "--network", "none", "--entrypoint", words[0], engine.image(), *words[1:])


def test_how_it_starts(document: Any) -> None:
    config = document["Config"]
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "codemode"]
    assert config["Cmd"] == ["serve", "--config", "/etc/codemode/codemode.yaml"]
    assert config["Healthcheck"]["Test"][:3] == ["CMD", "codemode", "health"]
    assert list(config["ExposedPorts"]) == ["8001/tcp"] and config["User"] == ""


def test_what_it_says_about_itself(document: Any) -> None:
    labels = document["Config"]["Labels"]
    for name in ("title", "description", "source", "documentation", "licenses"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_the_commands_are_there() -> None:
    names = "bash cat cp curl find git grep head jq ls awk python python3 sed tail tar wc"
    assert _inside("bash", "-c", f"type -P {names} | wc -l").split() == [str(len(names.split()))]


def test_the_folders_are_as_the_executor_needs_them() -> None:
    assert _inside("readlink", "/outputs") == "/mnt/outputs\n"
    listing = _inside("stat", "--format", "%F %u %n", "/workspace", "/sandbox", "/mnt/outputs").splitlines()
    assert listing == [f"directory 0 {path}" for path in ("/workspace", "/sandbox", "/mnt/outputs")]
    assert _inside("find", "/workspace", "/sandbox", "/mnt/outputs", "/var/lib/apt/lists", "-type", "f") == ""


def test_a_volume_for_outputs_lands_behind_the_link(tmp_path: Any) -> None:
    mounts = docker(
        "run", "--rm", "--network", "none", "--volume", f"{tmp_path}:/outputs", "--entrypoint", "cat", engine.image(),
        "/proc/self/mounts",
    )  # fmt: skip
    assert [line.split()[1] for line in mounts.splitlines() if "/outputs" in line.split()[1]] == ["/mnt/outputs"]


def test_what_a_build_from_source_includes_is_let_through() -> None:
    """`.dockerignore` names each file."""
    included: set[str] = set()
    for source in (ROOT / "crates").rglob("*.rs"):
        included.update(re.findall(r'include_str!\("[./]*(deploy/[^"]+)"', source.read_text()))
    assert included
    listing = "FROM scratch\nCOPY deploy deploy\n"
    image = "codemode-test/context:1"
    subprocess.run(
        ["docker", "build", "--quiet", "--network", "none", "--tag", image, "--file", "-", str(ROOT)],
        check=True, input=listing, text=True, capture_output=True,
    )  # fmt: skip
    container = docker("create", "--network", "none", image, "none").strip()
    try:
        archive = subprocess.run(["docker", "export", container], check=True, capture_output=True).stdout
    finally:
        docker("rm", container)
        docker("image", "rm", image)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        assert included <= set(files.getnames())


def test_a_derived_image_can_have_more_packages() -> None:
    """As deploy/docker/README.md shows; nothing is downloaded here."""
    assert _inside("pip", "--version").split()[0] == "pip"
    assert _inside("python", "-c", "import sys; print(sys.prefix)") == "/opt/python\n"
