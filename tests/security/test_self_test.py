"""The attacks that the executor tries at start, with the walls down: there they must get through."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from security import cage
from security.bare import run_bare
from security.caged import Guest, caged, caged_home
from security.programs import FOLDER, Program
from security.test_walls import REMOVABLE

SOURCES = FOLDER.parents[1] / "crates/codemode-engine/src/self_test"
ESCAPES = [
    "host_files",
    "read_only_folders",
    "unlisted_commands",
    "anonymous_files",
    "canaries",
    "socket_families",
    "egress",
    "other_processes",
    "privileges",
    "io_uring",
    "kernel_calls",
    "namespaces",
]
# What holds the others although no wall stands.
HELD = {"descriptors": "whoever starts the program there closes them"}
CANARIES = ["127.0.0.1", "abstract"]
# The attack that finds out when a wall is missing, if the library does not say so itself.
NOTICES = {"landlock": "host_files", "seccomp": "anonymous_files", "namespaces": "left_process"}

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="only root can make a uid that owns nothing; the main run does"
)


def test_every_attack_of_the_executor_is_on_one_list() -> None:
    table = (SOURCES / "attacks.rs").read_text().partition("pub(super) const FIRST")[2]
    named = {line.partition('name: "')[2].partition('"')[0] for line in table.splitlines() if 'name: "' in line}
    assert named | {"descriptors", "canaries"} == {*ESCAPES, *HELD}


@pytest.mark.parametrize("attack", [*ESCAPES, *HELD])
def test_with_the_walls_down(attack: str, tmp_path: Path) -> None:
    verdicts = tried(attack, CANARIES, tmp_path)
    assert verdicts[0][:2] == [attack, "escaped" if attack in ESCAPES else "contained"], verdicts


@pytest.mark.parametrize("canary", CANARIES)
def test_each_canary_can_be_reached_where_nothing_is_between(canary: str, tmp_path: Path) -> None:
    assert tried("canaries", [canary], tmp_path) == [["canaries", "escaped", f"connected to {canary}"]]


def test_what_is_left_behind_is_found(tmp_path: Path) -> None:
    """The files by the look that the second execution takes, the process by its name, as the executor looks."""
    code = """
leave_traces(HOST)
names = [open(f'/proc/{pid}/comm').read().strip() for pid in os.listdir('/proc') if pid.isdigit()]
print(json.dumps([*attempt(HOST, [left_files]), names.count(HOST['mark'])]))
"""
    assert in_bare_cage(code, CANARIES, tmp_path) == [
        ["left_files", "escaped", "found a file of an earlier execution in /sandbox"],
        1,
    ]


@pytest.mark.parametrize("wall", NOTICES)
def test_an_executor_that_misses_a_wall_does_not_serve(wall: str) -> None:
    assert REMOVABLE.is_file(), f"{REMOVABLE} is missing: run `make build-walls`"
    said = f"without a wall \\({wall}\\)|attack `{NOTICES[wall]}` succeeded"
    with caged_home() as home:
        workspace = home / "workspace"
        workspace.mkdir()
        guest = Guest(REMOVABLE, f"codemode-without-{wall}")
        policy = {"guest": {"interpreter": cage.SYSTEM_PYTHON}}
        with pytest.raises(AssertionError, match=said), caged("walls", home, policy, workspace, guest):
            pytest.fail("it serves")


def tried(attack: str, canaries: list[str], folder: Path) -> list[list[str]]:
    verdicts: list[list[str]] = in_bare_cage(f"print(json.dumps(attempt(HOST, [{attack}])))", canaries, folder)
    return verdicts


def in_bare_cage(code: str, canaries: list[str], folder: Path) -> object:
    host = f"""
import json
ADDRESSES = {{
    '127.0.0.1': [2, struct.pack('=H', 2) + struct.pack('>H4B8x', {cage.TCP_PORT}, 127, 0, 0, 1)],
    'abstract': [1, struct.pack('=H', 1) + b'\\0cm-canary'],
}}
# A proxy that lets everything through.
import socket, threading
PROXY = socket.create_server(('127.0.0.1', 0))
def serve():
    while True:
        call = PROXY.accept()[0]
        call.recv(4096)
        call.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')
        call.close()
threading.Thread(target=serve, daemon=True).start()
HOST = {{
    'mark': 'cm-0123456789ab',
    'token': 'ab' * 16,
    'files': [['/etc/passwd', os.stat('/etc/passwd').st_dev, os.stat('/etc/passwd').st_ino]],
    'programs': ['/usr/bin/id'],
    'pids': [],
    'sockets': [],
    'proxy': (struct.pack('=H', 2) + struct.pack('>H4B8x', PROXY.getsockname()[1], 127, 0, 0, 1)).hex(),
    'canaries': [[name, ADDRESSES[name][0], ADDRESSES[name][1].hex()] for name in {canaries!r}],
}}
"""
    texts = [(SOURCES / name).read_text() for name in ("attempt.py", "traces.py", "attacks.py")]
    program = Program("self-test", "an attack", "\n".join([*texts, host, code]), "plain", 20, {"kind": "verdict"})
    cage_folder = folder / "cage"
    cage_folder.mkdir()
    printed = run_bare(program, cage_folder)
    assert not list(cage_folder.iterdir()), "something of the cage reached the host"
    lines = [line for line in printed.splitlines() if line.startswith("[")]
    assert lines, printed
    return json.loads(lines[-1])
