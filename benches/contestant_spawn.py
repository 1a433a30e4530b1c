"""A process for each run: CPython by itself, in bubblewrap, in a container. What is not there is not measured."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import measure
from measure import Size

PROGRAM = ("-I", "-S", "-c", "print(2 + 2)")
# Everything that a program may share with its host is its own but the files, which it can only read.
CAGE = ("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
SEPARATE = ("docker", "run", "--rm", "--network", "none")


def python(size: Size) -> Any:
    return spawned((sys.executable, *PROGRAM), size.samples)


def bubblewrap(size: Size) -> Any:
    if shutil.which("bwrap") is None:
        return {"absent": "bubblewrap is not installed"}
    command = (*CAGE, sys.executable, *PROGRAM)
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    if tried.returncode:
        return {"absent": f"bubblewrap does not work here: {tried.stderr.strip()}"}
    return spawned(command, size.samples)


def docker(size: Size) -> Any:
    """Only with an engine that runs and a small Python image that is already there: nothing is pulled."""
    if shutil.which("docker") is None:
        return {"absent": "docker is not installed"}
    listed = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        return {"absent": "no Docker engine runs here"}
    image = next((line for line in listed.stdout.split() if line.startswith("python:")), None)
    if image is None:
        return {"absent": "the Docker engine has no python image"}
    return spawned((*SEPARATE, image, "python", *PROGRAM), size.repeats)


def spawned(command: tuple[str, ...], count: int) -> dict[str, list[float]]:
    def call() -> None:
        assert subprocess.run(command, check=True, capture_output=True).stdout == b"4\n"

    measure.warm(call, 2)
    return {"back_to_back": measure.back_to_back(call, count)}


if __name__ == "__main__":
    measure.contest({"python": python, "bubblewrap": bubblewrap, "docker": docker})
