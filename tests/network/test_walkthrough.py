"""The walk-through of docs/network.md, as it is printed: its files, its two commands, and what they print."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from codemode import _locate
from network.authority import Authority
from network.bare_ground import bare_ground
from network.conftest import only_root
from network.ground import Ground
from network.http1 import Request, Response
from network.pages import Page
from network.places import GOOD, INTERNAL

pytestmark = only_root

PAGE = (Path(__file__).parents[2] / "docs" / "network.md").read_text()
API, INDEX, FILES = "orders.corp.example", "pypi.org", "files.pythonhosted.org"
WHEEL = "six-1.17.0-py3-none-any.whl"
# What pip would describe the machine with.
PIP = re.compile(r"^codemode: unauthorized_command: (lsb_release|uname)\n", re.MULTILINE)
WELCOME = {(INTERNAL, API), (GOOD, INDEX), (GOOD, FILES)}


class Company(Authority):
    """Vouches for whom the walk-through talks to."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._certificate = self._authority.issue_cert(API, INDEX, FILES)


def index() -> dict[str, Page]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = "six-1.17.0.dist-info"
        archive.writestr("six.py", "__version__ = '1.17.0'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in archive.namelist()))
    listing = f'<!DOCTYPE html><html><body><a href="https://{FILES}/packages/{WHEEL}">{WHEEL}</a></body></html>'

    def page(body: bytes, kind: str) -> Page:
        def answer(_: Request, __: dict[str, Any]) -> Response:
            return Response(body, headers=(("Content-Type", kind),))

        return answer

    return {
        "/simple/six": page(listing.encode(), "text/html"),
        f"/packages/{WHEEL}": page(packed.getvalue(), "application/octet-stream"),
    }


def blocks() -> dict[str, str]:
    """What the page prints, by the name of its file or by the command."""
    walk = PAGE.partition("## Walk-through")[2].partition("\n## ")[0]
    files = re.findall(r"`([\w.]+)`:\n\n```(?:yaml|python)\n(.*?)```", walk, re.DOTALL)
    commands = re.findall(r"```console\n\$ (.*?)\n(.*?)```", walk, re.DOTALL)
    return dict(files + commands)


@pytest.fixture(scope="module")
def ground() -> Iterator[tuple[int, Ground]]:
    with bare_ground() as near:
        ground = Ground(near, Company())
        ground.peers.pages.update(index())
        yield near, ground
        ground.close()


def run(near: int, folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """On the ground, with a hosts file that knows where the API and the index live."""
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{INTERNAL} {API}\n{GOOD} {INDEX} {FILES}\n")
    words = [sys.executable, "-m", "network.enter", str(near), str(hosts), *command]
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    environment = {"PATH": path, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_two_commands(ground: tuple[int, Ground], tmp_path: Path) -> None:
    near, peers = ground
    printed = blocks()
    for name in ("codemode.yaml", "allowed.py", "refused.py"):
        (tmp_path / name).write_text(printed[name])
    peers.authority.write(tmp_path / "trusted.pem")
    for program in ("allowed.py", "refused.py"):
        command = f"codemode run --config codemode.yaml {program}"
        done = run(near, tmp_path, [str(_locate.executable()), *command.split()[1:]])
        assert (done.returncode, done.stdout + PIP.sub("", done.stderr)) == (0, printed[command])
    assert [str(visit) for visit in peers.peers.visits if (visit.address, visit.sni) not in WELCOME] == []
    assert peers.names.asked == []
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    decided = [(line["host"], line["reason"]) for line in lines if line["event"] == "network"]
    assert {(API, "allowed"), (INDEX, "allowed"), (FILES, "allowed"), ("example.com", "not_listed")} <= set(decided)
    assert {(API, "port"), ("169.254.169.254", "address_literal")} <= set(decided)
