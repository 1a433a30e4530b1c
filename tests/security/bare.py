"""Starts the bare cage from outside: bounded in time and in memory, and nothing of it left afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from e2e.daemon import KEY
from security import cage
from security.programs import Program
from security.waiting import eventually

# No account; not the one of the rootless run either.
UID = 64322
MEMORY = 5 << 30
TASKS = 1500
SECONDS = 20.0
OUTSIDE = "/var/tmp/cm-outside"
_CGROUPS = Path("/sys/fs/cgroup")
_FILES = {"memory": ("memory.limit_in_bytes", "memory.max", MEMORY), "pids": ("pids.max", "pids.max", TASKS)}


def run_bare(program: Program, folder: Path) -> str:
    """What the program printed. Its own time is up when the cage's is: then that was all."""
    places = {
        "CANARY_TCP": f"127.0.0.1:{cage.TCP_PORT}",
        "CANARY_UDP": f"127.0.0.1:{cage.UDP_PORT}",
        "EXEC_PORT": str(cage.EXECUTOR_PORT),
        "SECRET_PATH": f"{OUTSIDE}/secret",
        "SOCK_PATH": f"{OUTSIDE}/canary.sock",
        "API_KEY_A": KEY[: len(KEY) // 2],
        "API_KEY_B": KEY[len(KEY) // 2 :],
    }
    specification = {
        "code": program.filled(places), "folder": str(folder), "uid": UID, "key": KEY,
        "repeat": program.repeat, "secret": places["SECRET_PATH"], "sock": places["SOCK_PATH"],
    }  # fmt: skip
    with _bounds() as enter:
        process = subprocess.Popen(
            [sys.executable, cage.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=enter, cwd="/", env={"PATH": os.defpath}, start_new_session=True,
        )  # fmt: skip
        try:
            printed, _ = process.communicate(
                json.dumps(specification).encode(), timeout=min(SECONDS, program.timeout_s)
            )
        except subprocess.TimeoutExpired:
            # Its child is process 1 of the cage and follows it, and everybody there follows that one.
            process.kill()
            printed, _ = process.communicate()
    return printed.decode(errors="replace")


@contextmanager
def _bounds() -> Iterator[Callable[[], None]]:
    """A control group around the whole cage, tmpfs included; without one nothing is run."""
    name = f"codemode-cage-{os.getpid()}"
    groups = {}
    for controller, (first, second, value) in _FILES.items():
        old = (_CGROUPS / controller).is_dir()
        groups[_CGROUPS / controller / name / first if old else _CGROUPS / name / second] = value
    folders = {file.parent for file in groups}
    for made in folders:
        made.mkdir(exist_ok=True)
    try:
        for file, value in groups.items():
            file.write_text(str(value))
        members = [str(made / "cgroup.procs") for made in folders]

        def enter() -> None:
            for path in members:
                with open(path, "w") as file:
                    file.write("0")

        yield enter
    finally:
        for made in folders:
            assert eventually(partial(_removed, made)), f"somebody is left in {made}"


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
