from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codemode import ConfigError, _cli, _locate


def test_the_console_script_becomes_the_binary(tmp_path: Path) -> None:
    program = tmp_path / "codemode"
    program.write_text('#!/bin/sh\necho "$0 $@ $$"\nexit 7\n')
    program.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from codemode import _locate, _cli\n"
        f"_locate._PACKAGED = Path({str(program)!r}); sys.argv = ['x', 'doctor', '--json']; _cli.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate()
    assert process.returncode == 7
    assert output.split()[1:] == ["doctor", "--json", str(process.pid)]


@pytest.mark.parametrize(("given", "seen"), [(None, sys.executable), ("/usr/bin/python3", "/usr/bin/python3")])
def test_code_runs_in_the_environment_of_the_script(tmp_path: Path, given: str | None, seen: str) -> None:
    program = tmp_path / "codemode"
    program.write_text('#!/bin/sh\necho "$CODEMODE_GUEST_INTERPRETER"\n')
    program.chmod(0o755)
    code = (
        "from pathlib import Path; from codemode import _locate, _cli\n"
        f"_locate._PACKAGED = Path({str(program)!r}); _cli.main()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "CODEMODE_GUEST_INTERPRETER"}
    environment |= {} if given is None else {"CODEMODE_GUEST_INTERPRETER": given}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout == f"{seen}\n"


def test_a_developer_names_the_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_locate, "_PACKAGED", tmp_path / "absent")
    program = tmp_path / "codemode"
    program.write_text("")
    monkeypatch.setenv("CODEMODE_EXECUTABLE", str(program))
    with pytest.raises(ConfigError, match="which is not an executable file"):
        _locate.executable()
    program.chmod(0o755)
    assert _locate.executable() == program


def test_without_a_binary_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_locate, "_PACKAGED", Path("/p/_bin/codemode"))
    monkeypatch.delenv("CODEMODE_EXECUTABLE", raising=False)
    assert _cli.main() == 69 == getattr(os, "EX_UNAVAILABLE", 69)
    assert capsys.readouterr().err == (
        "codemode: this installation carries no executor (/p/_bin/codemode is missing); install a wheel of "
        "codemode-runtime, set CODEMODE_EXECUTABLE to a codemode binary, or connect to an executor with "
        "CODEMODE_EXECUTOR_URL\n"
    )
