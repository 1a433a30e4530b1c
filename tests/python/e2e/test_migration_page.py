"""docs/migration.md: what it says of this package. tests/frameworks/opencodemode has what it says of the other one."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

from e2e.daemon import CODEMODE, Daemon
from e2e.test_first_use import python

PAGE = (Path(__file__).parents[3] / "docs" / "migration.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def rows(heading: str) -> list[tuple[str, str]]:
    table = PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = [line.replace("\\|", "/").split("|") for line in table.splitlines() if line.startswith("| `")]
    return [(cells[1].strip(), cells[2].strip()) for cells in lines]


def test_the_program_for_our_client_runs() -> None:
    assert python(blocks("python")[1]) == blocks("text")[1]


def test_the_configuration_is_served(tmp_path: Path) -> None:
    with Daemon(tmp_path, blocks("yaml")[0]) as daemon:
        assert daemon.http("/healthz")[0] == 200
        assert b"dials" not in daemon.log  # the port that it dials is told as what is left of the network
        assert b"no TCP connection out but to port 50051" in daemon.log


def test_the_names_that_stayed() -> None:
    """Names of the same module follow its first, full one."""
    for published, here in rows("Names"):
        if here == "the same":
            module, _, first = re.findall(r"`([\w.]+)`", published)[0].rpartition(".")
            for name in (first, *re.findall(r"`(\w+)`", published)):
                assert hasattr(importlib.import_module(module), name), (module, name)
        elif here.startswith("`codemode") and "the same names" in here:
            module = re.findall(r"`([\w.]+)`", here)[0]
            for name in re.findall(r"(\w+)`", published):
                assert hasattr(importlib.import_module(module), name), (module, name)
        elif here.startswith("gone"):
            for name in re.findall(r"`(codemode\.[\w.]+)`", published):
                with pytest.raises((ModuleNotFoundError, AttributeError)):
                    importlib.import_module(name)


def test_the_commands_that_stayed() -> None:
    for published, _ in rows("Commands"):
        for words in re.findall(r"`([^`]+)`", published):
            before, _, choices = words.partition(" ")
            for choice in choices.strip("[]").split("/") if choices else [""]:
                command = [CODEMODE, before, *([choice] if choice and before != "init" else []), "--help"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
                assert (done.returncode == 0) == (before != "init-legacy"), command


def test_variables_that_are_gone_are_told_of(tmp_path: Path) -> None:
    published = [left for left, here in rows("Keys and variables") if here.startswith("gone")]
    gone = {name for left in published for name in re.findall(r"`(CODEMODE_[A-Z_]+[A-Z])`", left)}
    gone -= {"CODEMODE_MAX_CODE_LENGTH"}  # a client's
    assert "CODEMODE_ALLOWED_COMMANDS" in gone
    (tmp_path / "codemode-sidecar.yaml").write_text("port: 8001\n")
    command = [CODEMODE, "validate", "codemode-sidecar.yaml"]
    variables = dict.fromkeys(gone, "1")
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert all(f"{name}: is the variable of no setting" in done.stdout + done.stderr for name in gone), done
