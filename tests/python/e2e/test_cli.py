"""`codemode run` and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from e2e.daemon import CODEMODE

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("CODEMODE_")}


def codemode(*arguments: object, code: str = "") -> subprocess.CompletedProcess[str]:
    words = [str(CODEMODE), *map(str, arguments)]
    return subprocess.run(words, input=code, capture_output=True, text=True, env=ENVIRONMENT, timeout=100)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("print('hello')", 0), ("1 / 0", 1), ("import sys; sys.exit(3)", 3), ("import os; os._exit(7)", 7), ("def", 1)],
)
def test_the_exit_code_is_the_codes_own(code: str, exit_code: int) -> None:
    done = codemode("run", "-", code=code)
    assert done.returncode == exit_code, done.stderr
    if exit_code == 0:
        assert done.stdout == "hello\n"


def test_a_timeout_is_124() -> None:
    done = codemode("run", "--timeout", 1, "-", code="print('partial', flush=True)\nwhile True: pass")
    assert (done.returncode, done.stdout) == (124, "partial\n")


def test_bad_usage_is_64() -> None:
    assert codemode("run", "--no-such-option").returncode == 64
    assert codemode("no-such-command").returncode == 64


def test_files_commands_and_json(tmp_path: Path, workspace: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import subprocess\nsubprocess.run(['cp', '/workspace/data.txt', '/outputs/copy.txt'])\n1 << 70")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    done = codemode("run", "--workspace", workspace, "--outputs", outputs, "--allow", "cp", "--json", program)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["outcome"] == "ok" and str(1 << 70) in done.stdout
    assert (outputs / "copy.txt").read_text() == "one\ntwo\nthree\n"


def test_version_and_doctor() -> None:
    assert codemode("version").stdout.strip()
    done = codemode("doctor")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["", "serve", "run", "doctor", "version"])
def test_help(command: str) -> None:
    done = codemode(*command.split(), "--help")
    assert done.returncode == 0 and "Usage:" in done.stdout
