"""docs/migration.md: what it says of the published package."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from frameworks.opencodemode.application import free_port
from frameworks.opencodemode.executor import KEY, ROOT, Executor

PAGE = (ROOT / "docs" / "migration.md").read_text()
YAML, PROGRAM, TOLD = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("yaml", "python", "text"))


def test_the_application_stays_as_it_is(folder: Path) -> None:
    """The configuration and the program are those of the page, on ports that are free."""
    port = free_port()
    with Executor(folder, YAML, CODEMODE_MAIN_APP_TARGET=f"localhost:{port}") as executor:
        variables = {"CODEMODE_EXECUTOR_URL": executor.url, "CODEMODE_EXECUTOR_API_KEY": KEY, "PATH": "/usr/bin:/bin"}
        program = PROGRAM.replace("port=50051", f"port={port}")
        done = subprocess.run(
            [sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=60
        )
    assert (done.returncode, done.stdout) == (0, TOLD), done.stderr


def test_the_table_of_names_is_about_this_package() -> None:
    """Each full name of its left column exists here."""
    table = PAGE.partition("### Names")[2].partition("###")[0]
    left = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    names = [name for cell in left for name in re.findall(r"`(codemode\.[\w.]+)`", cell)]
    assert len(names) > 10
    for name in names:
        module, _, last = name.rpartition(".")
        assert (
            find_spec(name)
            if last.islower() and _is_module(name)
            else hasattr(__import__(module, fromlist=[last]), last)
        )


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
