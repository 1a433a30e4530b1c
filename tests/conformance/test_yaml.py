"""The YAML blocks about one executor, each through both readers of a file and at both places for its settings."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from codemode import AuthenticationError, Codemode
from conformance import documents
from conformance.conftest import BASIC
from conformance.documents import Piece
from conformance.place import fill
from conformance.serving import HERE, environment, moved
from e2e.daemon import CODEMODE

KEY = "k-7be1b31f0c5d4a02"
WAYS = ("served", "served, moved", "embedded")
GIB = 1 << 30


@dataclass
class Configured:
    """Both kinds of folder that the blocks mount are there, beside the file."""

    folder: Path
    way: str

    @contextmanager
    def client(self, text: str, key: str | None = None) -> Iterator[Codemode]:
        config = self.folder / "codemode.yaml"
        config.write_text(moved(text) if "moved" in self.way else text)
        if "embedded" in self.way:
            with Codemode.local(config) as codemode:
                yield codemode
        else:
            with HERE.client(config, key, **({"CODEMODE_API_KEY": key} if key else {})) as codemode:
                yield codemode


@pytest.fixture(params=WAYS)
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> Configured:
    for name in ("project_files", "my_files"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name)
    (tmp_path / "outputs").mkdir()
    return Configured(tmp_path, request.param)


def is_read_only(codemode: Codemode) -> bool:
    """/workspace, to the code: by a mount in tier full, by Landlock in tier container."""
    code = "for mode, name in (('a', 'data.txt'), ('w', 'new')):\n    try: open('/workspace/' + name, mode)\n"
    result = codemode.execute(f"{code}    except OSError: continue\n    raise SystemExit(mode)")
    return result.success


def commands(codemode: Codemode, *names: str) -> dict[str, object]:
    """What comes of each: its exit code, or the refusal."""
    code = f"""
import subprocess
found = {{}}
for name in {names!r}:
    try: found[name] = subprocess.run([name, '--version'], capture_output=True).returncode
    except PermissionError as error: found[name] = str(error)
found
"""
    result = codemode.execute(code)
    assert result.success, str(result)
    return dict(result.result)


def test_basic_hybrid_execution(piece: Piece, configured: Configured) -> None:
    with configured.client(piece.text, KEY) as codemode:
        listed = ("grep", "cat", "ls", "find", "wc", "head", "tail", "bash")
        refused = {name: f"unauthorized_command: {name}" for name in ("cp", "rm", "curl", "sh")}
        assert commands(codemode, *listed, *refused) == dict.fromkeys(listed, 0) | refused
        code = (
            "open('/outputs/seen.txt', 'w').write(open('/workspace/data.txt').read())\nopen('/sandbox/x', 'w').close()"
        )
        assert codemode.execute(code).success
        assert (configured.folder / "outputs" / "seen.txt").read_text() == "one\ntwo\nthree\n"
        assert is_read_only(codemode)
        assert not codemode.execute("import socket\nsocket.socket()").success
        size = codemode.execute("import os\nspace = os.statvfs('/sandbox')\nspace.f_blocks * space.f_frsize").result
        assert 0 < size <= GIB


@pytest.mark.parametrize("configured", ["served"], indirect=True)
def test_the_key_of_the_basic_block(configured: Configured) -> None:
    """Who has another one than `${CODEMODE_API_KEY}` stays outside; without the variable nothing is served."""
    config = configured.folder / "codemode.yaml"
    config.write_text(documents.pieces()[BASIC].text)
    with HERE.client(config, "another", CODEMODE_API_KEY=KEY) as codemode, pytest.raises(AuthenticationError):
        codemode.execute("2 + 2")
    done = subprocess.run([CODEMODE, "serve", "--config", config], env=environment(), capture_output=True, text=True)
    assert done.returncode == 64 and "the environment variable CODEMODE_API_KEY is not set" in done.stderr


def test_command_whitelisting(piece: Piece, configured: Configured) -> None:
    with configured.client(piece.text) as codemode:
        refused = {name: f"unauthorized_command: {name}" for name in ("rm", "dd", "bash", "wc", "chmod")}
        assert commands(codemode, "grep", "cat", "ls", *refused) == {"grep": 0, "cat": 0, "ls": 0, **refused}


def test_resource_limits(piece: Piece, configured: Configured) -> None:
    with configured.client(piece.text) as codemode:
        assert codemode.execute(f"1 #{'x' * 9_997}").result == 1
        too_long = codemode.execute(f"1 #{'x' * 9_998}")
        assert too_long.outcome == "rejected" and "limits.max_code_length" in str(too_long)
        assert codemode.execute("len(bytearray(b'x') * (256 << 20))").result == 256 << 20
        assert codemode.execute("len(bytearray(b'x') * (560 << 20))").outcome == "memory_limit"
        (warning,) = codemode.execute("1", execution_timeout=60).warnings
        assert "code_timeout" in warning and "30 s" in warning
    # The same key with less, to see it end something.
    with configured.client(piece.text.replace("code_timeout: 30 ", "code_timeout: 0.5 ")) as codemode:
        assert codemode.execute("while True: pass").outcome == "timeout"


def test_the_size_of_the_sandbox(piece: Piece, configured: Configured) -> None:
    """Files there count as memory, so a limit on memory that is lower bounds it first."""
    assert "max_size: 1GB" in piece.text
    code = "import os\nspace = os.statvfs('/sandbox')\nspace.f_blocks * space.f_frsize"
    more = "limits:\n  memory_limit: 2GB\n"
    with configured.client(piece.text) as codemode:
        assert 0 < codemode.execute(code).result < GIB
    for size, expected in (("1GB", GIB), ("64MB", 64 << 20)):
        text = piece.text.replace("1GB", size)
        with configured.client(text + more) as codemode:
            assert codemode.execute(code).result == expected


def test_a_command_added_to_the_list(piece: Piece, configured: Configured) -> None:
    with configured.client(piece.text) as codemode:
        assert commands(codemode, "rm", "ls") == {"rm": 0, "ls": "unauthorized_command: ls"}


def test_files_in_mounted_volumes(piece: Piece, configured: Configured) -> None:
    (configured.folder / "my_files" / "passwd").write_text("mine\n")
    with configured.client(piece.text) as codemode:
        assert codemode.execute("open('/workspace/passwd').read()").result == "mine\n"
        assert is_read_only(codemode)


def test_direct_execution_enabled(piece: Piece, configured: Configured) -> None:
    """The module is there. What may run is a list, and this block has none."""
    with configured.client(piece.text) as codemode:
        assert codemode.execute("import subprocess\nsubprocess.__name__").result == "subprocess"
        assert commands(codemode, "ls") == {"ls": "unauthorized_command: ls"}
