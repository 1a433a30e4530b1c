"""Starts the bare cage from outside: bounded in time and in memory, and nothing of it left afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from e2e.daemon import KEY
from security import cage
from security.bounds import bounded
from security.programs import Program

# No account; not the one of the rootless run either.
UID = 64322
MEMORY = 5 << 30
TASKS = 1500
SECONDS = 20.0
OUTSIDE = "/var/tmp/cm-outside"
TESTS = Path(__file__).parents[1]


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
    with bounded(MEMORY, TASKS) as enter:
        process = subprocess.Popen(
            [sys.executable, "-m", "security.cage"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=enter, cwd="/", start_new_session=True,
            env={"PATH": os.defpath, "PYTHONPATH": str(TESTS)},
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
