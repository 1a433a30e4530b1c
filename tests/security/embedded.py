"""Starts an executor as a user does, in the best tier that this machine and this user can have."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.daemon import KEY, Daemon
from security.arena import environment, policy
from security.executor import Executor, Log


@contextmanager
def embedded(folder: Path, workspace: Path, commands: list[str]) -> Iterator[Executor]:
    outputs, temporary = folder / "outputs", folder / "tmp"
    for made in (outputs, temporary):
        made.mkdir()
    interpreter = environment(folder / "env", sys.executable)
    wanted = policy(commands, str(workspace), str(outputs), interpreter, max_concurrent_executions=2)
    with _temporary_files_in(temporary):
        daemon = Daemon(folder, wanted)
    assert daemon.process.stdout
    with daemon:
        yield Executor(
            url=daemon.url,
            key=KEY,
            tier="full",
            pid=daemon.pid,
            family=daemon.pid,
            outputs=outputs,
            outputs_there=(),
            shared=(temporary,),
            log=Log(daemon.process.stdout, daemon.log),
        )


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """So that whatever the daemon leaves there is its own."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.__setitem__("TMPDIR", before)
