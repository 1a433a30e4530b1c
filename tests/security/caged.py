"""Starts an executor in a cage of its own, from outside: bounded, and nothing of it left afterwards."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import codemode
from e2e import processes
from e2e.daemon import KEY
from security.bounds import bounded
from security.executor import Executor, Log
from security.namespaces import follow_parent
from security.programs import FOLDER
from security.waiting import eventually

PACKAGE = Path(codemode.__file__).parent
LIBRARY = PACKAGE / "_guest" / "libcodemode_guest.so"
DAEMON = PACKAGE / "_bin" / "codemode"
# No account: whom the folder belongs to that files of /outputs arrive in.
OWNER = 64323
# No account either: who runs an executor without any rights.
ORDINARY_USER = 64324
MEMORY, TASKS = 4 << 30, 2000
START_LIMIT = 60.0
PATH = "/usr/local/bin:/usr/bin:/bin"
_cages = itertools.count()


@dataclass(frozen=True)
class Guest:
    """The guest's library. One that can leave out a wall is told by its folder which."""

    library: Path = LIBRARY
    folder: str = "guest"
    # An ordinary one refuses a library that leaves out a wall.
    daemon: Path = DAEMON


ORDINARY = Guest()


@contextmanager
def caged(
    kind: str,
    home: Path,
    policy: dict[str, Any],
    workspace: Path,
    guest: Guest,
    network: dict[str, Any] | None = None,
) -> Iterator[Executor]:
    """`kind`: walls (root, tier full), ordinary (a user without rights, tier full) or container (what is left in one).

    `home`: see `caged_home`.

    `network`: what its `lo` is to have besides 127.0.0.1 and ::1, and the files that say who answers for names.
    """
    assert os.getuid() == 0
    with bounded(MEMORY, TASKS) as enter:
        share = _lay_out(home / "share", policy, guest)
        if kind == "ordinary":
            for made in (share, home / "outputs"):
                os.chown(made, ORDINARY_USER, ORDINARY_USER)
        specification = {
            "kind": kind, "folder": str(home / "root"), "pid": _pid(), "workspace": str(workspace),
            "outputs": str(home / "outputs"), "shared": [str(share), str(workspace), str(home / "outputs")],
            "command": [str(share / "bin/codemode"), "serve", "--config", str(share / "policy.yaml"),
                        "--listen", f"unix:{share / 'socket'}"],
            "environment": {"PATH": PATH, "CODEMODE_API_KEY": KEY}, "network": network,
            "uid": ORDINARY_USER if kind == "ordinary" else 0,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "security.outer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=partial(_go_in, enter), cwd="/", start_new_session=True,
            env={"PATH": os.defpath, "PYTHONPATH": str(FOLDER.parent)},
        )  # fmt: skip
        try:
            yield _started(process, specification)
        finally:
            _end(process)


def _pid() -> int:
    """Near which the daemon in a cage gets its own: no two cages share user ids, and programs that count find it."""
    return 3 * (os.getpid() % 1000) + next(_cages) % 3


def _go_in(enter: Callable[[], None]) -> None:
    # A run that is killed leaves no cage behind.
    follow_parent()
    enter()


@contextmanager
def caged_home() -> Iterator[Path]:
    """What a cage shares with this side, under the same path there: /tmp would be the cage's own."""
    home = Path(tempfile.mkdtemp(prefix="codemode-caged-", dir="/var/tmp"))
    home.chmod(0o755)
    for name in ("root", "share", "outputs"):
        (home / name).mkdir()
    os.chown(home / "outputs", OWNER, OWNER)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def _lay_out(share: Path, policy: dict[str, Any], guest: Guest) -> Path:
    """The daemon and beside it a guest library, as an installation has them."""
    for made in (share / "bin", share / "lib/codemode", share / guest.folder):
        made.mkdir(parents=True)
    shutil.copy2(guest.daemon, share / "bin" / DAEMON.name)
    shutil.copy2(guest.library, share / guest.folder)
    (share / "lib/codemode" / LIBRARY.name).symlink_to(share / guest.folder / LIBRARY.name)
    (share / "policy.yaml").write_text(json.dumps(policy))
    return share


def _started(process: subprocess.Popen[bytes], specification: dict[str, Any]) -> Executor:
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(specification).encode())
    process.stdin.close()
    log = Log(process.stdout)
    assert log.says("serving", START_LIMIT), f"no executor in the cage:\n{log()}"
    (init,) = processes.children(process.pid)
    # The first; where no namespace ends them, what the self-test left behind is beside it.
    daemon = min(processes.children(init))
    root = Path(f"/proc/{init}/root")
    container = specification["kind"] == "container"
    places = ("sandbox", "tmp", "dev/shm") if container else ("tmp",)
    return Executor(
        url=specification["command"][-1],
        key=KEY,
        tier="container" if container else "full",
        pid=daemon,
        family=init,
        outputs=Path(specification["outputs"]),
        outputs_there=("/outputs", "/mnt/outputs"),
        shared=tuple(root / name for name in places),
        log=log,
        one_at_a_time=container,
    )


def end_orphans(executor: Executor) -> None:
    """Where the pid namespace is the wall that is missing, what a sandbox leaves is the cage's own first process's."""
    for orphan in set(processes.children(executor.family)) - {executor.pid}:
        for pid in (*(process.pid for process in processes.descendants(orphan)), orphan):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the daemon first; then everybody follows process 1 of the cage, and that one its parent."""
    with suppress(ProcessLookupError, ValueError, IndexError):
        (init,) = processes.children(process.pid)
        os.kill(min(processes.children(init)), signal.SIGTERM)
        eventually(lambda: process.poll() is not None)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
