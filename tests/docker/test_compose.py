"""The compose files as they are shipped."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from docker.compose import DEPLOY, documented_block, program

COMPOSE = DEPLOY / "compose"
HARDENED = [["hardened.yml"], ["hardened.yml", "internal.yml"], ["hardened.yml", "socket.yml"]]


def test_the_documentation_s_block_is_shipped_unchanged() -> None:
    comment, shipped = (COMPOSE / "docker-compose.yml").read_text().split("\n", 1)
    assert comment.startswith("# ") and shipped.startswith("services:\n  executor:\n")
    assert documented_block() in (None, shipped)


def test_the_override_holds_only_what_the_block_leaves_open() -> None:
    keys = re.findall(r"^    (\w+):", (COMPOSE / "docker-compose.override.yml").read_text(), re.MULTILINE)
    assert keys == ["image", "ports", "environment"]


@pytest.mark.parametrize("files", [[], *HARDENED], ids=lambda files: "+".join(files) or "default")
def test_a_key_is_needed_and_enough(files: list[str]) -> None:
    options = [word for file in files for word in ("-f", file)]
    environment = {name: value for name, value in os.environ.items() if name != "CODEMODE_API_KEY"}

    def config(extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [*program(), *options, "config"]
        return subprocess.run(
            command, check=False, cwd=COMPOSE, env={**environment, **extra}, capture_output=True, text=True
        )

    assert "set CODEMODE_API_KEY to a secret of your own" in config({}).stderr
    merged = config({"CODEMODE_API_KEY": "k-1"})
    assert merged.returncode == 0 and "k-1" in merged.stdout, merged.stderr
