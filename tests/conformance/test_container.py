"""The two blocks that an engine runs. `make test-docker` does; here it is shown that it runs these very texts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.documents import Piece
from conformance.serving import where_the_port_is_free
from docker.compose import DEPLOY, Project, documented_block, program
from docker.test_environment import PLAIN

OVERRIDE = DEPLOY / "compose" / "docker-compose.override.yml"
COMPOSE = shutil.which("docker") or shutil.which("docker-compose")
ASK = """
from codemode import ClientConfig, Codemode
config = ClientConfig(executor_url="http://localhost:8001", executor_api_key={key!r})
with Codemode.from_client_config(config) as codemode:
    memory = codemode.execute("len(bytearray(b'x') * (560 << 20))").outcome
    print(codemode.execute("2 + 2"), memory, *codemode.execute("1", execution_timeout=90).warnings, sep="|")
"""


def test_the_docker_run_line(piece: Piece, tmp_path: Path) -> None:
    assert piece.text == PLAIN
    words = shlex.split(piece.text.replace("\\\n", " "))
    assert words[:3] == ["docker", "run", "-d"] and words[-1] == "codemode/executor:latest"
    options = list(zip(words[3:-1:2], words[4:-1:2], strict=True))
    assert options[0] == ("-p", "8001:8001") and {name for name, _ in options[1:]} == {"-e"}
    variables = dict(value.split("=", 1) for _, value in options[1:])
    with where_the_port_is_free(tmp_path) as where, where.serve(tmp_path, **variables):
        told = where.python(tmp_path, ASK.format(key=variables["CODEMODE_API_KEY"])).strip().split("|")
    assert told[:2] == ["4", "memory_limit"]
    assert len(told) == 3 and "code_timeout" in told[2] and "60 s" in told[2]


def test_the_compose_block(piece: Piece, tmp_path: Path) -> None:
    """The tests with an engine start this text, and it is shipped below a comment."""
    assert documented_block() == piece.text
    project = Project("docker-compose.yml", "published", {}, "codemode/executor", None)
    try:
        project.lay_out(tmp_path, tmp_path, os.getuid())
        assert (project.folder / "compose" / "docker-compose.yml").read_text() == piece.text
    finally:
        shutil.rmtree(project.folder)
    shipped = (DEPLOY / "compose" / "docker-compose.yml").read_text()
    assert shipped.partition("\n")[2] == piece.text
    # The override leaves every key of the block as it is.
    keys = [set(re.findall(r"^    (\w+):", text, re.MULTILINE)) for text in (piece.text, OVERRIDE.read_text())]
    assert keys[0].isdisjoint(keys[1])


@pytest.mark.skipif(not COMPOSE, reason="no Docker Compose here; `make test-docker` installs one and reads the block")
def test_compose_reads_the_block(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(documented_block() or "")
    shutil.copy(OVERRIDE, tmp_path)
    words = program() if shutil.which("docker") else ("docker-compose",)
    environment = {**os.environ, "CODEMODE_API_KEY": "k-1"}
    done = subprocess.run([*words, "config"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for written in ("no-new-privileges:true", "CHOWN", "SETGID", "SETUID", "/tmp:size=100M,mode=1777", "size=1024m"):
        assert written in done.stdout
