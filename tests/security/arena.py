"""One executor under test with everything the corpus expects around it, and the look at it after each program."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from codemode import ClientConfig, Codemode, CodemodeError
from e2e import processes
from e2e.conftest import registry_of
from e2e.daemon import KEY, Daemon
from security.canaries import Canaries
from security.leftovers import at_rest, left_behind
from security.programs import Program
from security.toolbox import GRANTED, Toolbox

# The documentation's own list, and cp.
HYBRID = ["grep", "cat", "ls", "find", "wc", "head", "tail", "bash", "cp"]
OUTPUTS_LIMIT = 64 << 20
# What an idle daemon may hold more than before: caches and buffers find their size with the largest program.
GROWTH_LIMIT = 64 << 20


@dataclass
class Trial:
    """A program, how it went, and who was there."""

    program: Program
    arena: Arena
    result: Any
    growth: int  # of the daemon's highest resident set, bytes
    visited: list[str]

    def told(self) -> str:
        result = self.result
        error = str(result.error)[:500]
        return (
            f"{self.program.id}, {self.program.title}: {result.outcome} ({error})\n"
            f"{result.stdout[-1500:]}\n{result.stderr[-500:]}"
        )


class Log:
    """What the daemon says. It has to be read, or the pipe fills and the daemon waits for its reader."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._text = bytearray(daemon.log)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        pipe = self._daemon.process.stdout
        assert pipe
        # The daemon's end ends it; a test that is over may have closed ours.
        with suppress(OSError, ValueError):
            while chunk := os.read(pipe.fileno(), 65536):
                self._text += chunk

    @property
    def text(self) -> str:
        return self._text.decode(errors="replace")


@dataclass
class Refused:
    """Stands for a result where the client would not even send the code."""

    error: CodemodeError
    outcome: str = "rejected"
    stdout: str = ""
    stderr: str = ""
    result: Any = None
    result_json: str | None = None
    tool_calls: tuple[Any, ...] = ()
    artifacts: tuple[Any, ...] = ()
    violations: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()


class Arena:
    def __init__(self, folder: Path, canaries: Canaries, workspace: Path, commands: list[str]) -> None:
        self.workspace, self.outputs, self.temporary = workspace, folder / "outputs", folder / "tmp"
        for made in (self.outputs, self.temporary):
            made.mkdir()
        self.canaries = canaries
        self.toolbox = Toolbox(workspace)
        with _temporary_files_in(self.temporary):
            self.daemon = Daemon(folder, self._policy(folder, commands))
        self.log = Log(self.daemon)
        config = ClientConfig(executor_url=self.daemon.url, executor_api_key=SecretStr(KEY))
        self.client = Codemode.from_client_config(config, registry=registry_of(**self.toolbox.tools()))
        self.places = {
            **canaries.places,
            "EXEC_PORT": str(self.daemon.port),
            "API_KEY_A": KEY[: len(KEY) // 2],
            "API_KEY_B": KEY[len(KEY) // 2 :],
        }
        self._warm()
        self.zygotes = processes.children(self.pid)
        self._workspace_before = tree_hash(workspace)
        self.baseline = at_rest(self.pid, self.temporary)
        self.memory_before = processes.memory(self.pid, "VmRSS")

    def _policy(self, folder: Path, commands: list[str]) -> dict[str, Any]:
        return {
            "execution": {"allowed_commands": commands},
            "filesystem": {
                "workspace": {"mount": str(self.workspace)},
                # Below the memory limit, so that a full disk is met as one: files there count as memory too.
                "sandbox": {"max_size": "256Mi"},
                "outputs": {"mount": str(self.outputs), "max_size": OUTPUTS_LIMIT},
            },
            "limits": {"code_timeout": 60},
            "guest": {"interpreter": str(environment(folder / "env"))},
            "pool": {"min": 1, "max": 1},
            "max_concurrent_executions": 2,
        }

    @property
    def pid(self) -> int:
        return self.daemon.pid

    def _warm(self) -> None:
        """Buffers, connections and caches have their size when the baseline is taken."""
        for code in (
            "1",
            "1 / 0",
            "open('/outputs/x', 'w').close()",
            "tools['big'].run(n=8 << 20)",
            "print('x' * 5000000)",
        ):
            self.client.execute(code, tool_filter=GRANTED)
            self.answers()
        self.clean()

    def run(self, program: Program, before: str = "") -> Trial:
        """`before` is put in front of the program's own code."""
        self.canaries.visited()
        self.toolbox.count, self.toolbox.admin_ran = 0, False
        high = processes.memory(self.pid, "VmHWM")
        result = self.execute(before + program.filled(self.places), program.seconds)
        growth = processes.memory(self.pid, "VmHWM") - high
        return Trial(program, self, result, growth, self.canaries.visited())

    def execute(self, code: str, seconds: float) -> Any:
        try:
            return self.client.execute(code, execution_timeout=seconds, tool_filter=GRANTED)
        except CodemodeError as refusal:
            return Refused(refusal)

    @contextmanager
    def bystander(self) -> Iterator[list[Any]]:
        """Another caller's execution that is in the middle of a tool call; its result is in the list afterwards."""
        self.toolbox.called.clear()
        self.toolbox.ended.clear()
        code = (
            "open('/sandbox/cm_other', 'w').write('OTHER-SECRET')\nopen('/tmp/cm_other', 'w').write('OTHER-SECRET')\n"
            "kept = tools['sleep'].run(seconds=30, tag='mine')\nkept, open('/sandbox/cm_other').read()"
        )
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(self.execute(code, 30)))
        thread.start()
        try:
            assert self.toolbox.called.wait(30), "the other execution never got to its tool call"
            yield results
        finally:
            self.toolbox.ended.set()
            thread.join()
            self.toolbox.ended.clear()

    def answers(self) -> None:
        status, _ = self.daemon.http("/healthz")
        assert status == 200
        assert self.client.execute("2 + 2").result == 4

    def check_well(self) -> None:
        """After every program: it answers, and has nothing more than before."""
        self.answers()
        left = left_behind(self.pid, self.temporary, self.baseline)
        assert not left, left
        assert processes.children(self.pid) == self.zygotes, "the zygote was replaced"
        grown = processes.memory(self.pid, "VmRSS") - self.memory_before
        assert grown < GROWTH_LIMIT, f"the daemon holds {grown >> 20} MiB more than before"

    def workspace_unchanged(self) -> bool:
        return tree_hash(self.workspace) == self._workspace_before

    def clean(self) -> None:
        """What the programs wrote to /outputs is the user's from then on."""
        shutil.rmtree(self.outputs)
        self.outputs.mkdir()

    def close(self) -> None:
        self.toolbox.ended.set()
        self.client.close()
        self.daemon.stop()


def environment(folder: Path) -> Path:
    """A virtual environment whose packages hold programs, as wheels do; the interpreter's path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    planted = packages / "planted"
    planted.mkdir()
    for name, mode in (("readable", 0o644), ("executable", 0o755)):
        shutil.copy("/usr/bin/id", planted / name)
        (planted / name).chmod(mode)
    return folder / "bin" / "python"


def fill_workspace(folder: Path) -> Path:
    """What a project may hold: data, a link out of it, programs. The canaries add sockets."""
    folder.mkdir(mode=0o755)
    (folder / "app.log").write_text("".join(f"line {number}\n" for number in range(100)))
    (folder / "data").mkdir()
    (folder / "data" / "table.csv").write_text("a,b\n1,2\n")
    odd = folder / "odd"
    odd.mkdir()
    (odd / "escape").symlink_to("/etc/passwd")
    shutil.copy("/usr/bin/id", odd / "program")
    (odd / "program").chmod(0o755)
    return folder


def tree_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest.update(repr((str(path), status.st_mode, status.st_uid, status.st_mtime_ns, content)).encode())
    return digest.hexdigest()


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """So that whatever the daemon leaves there is its own."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.__setitem__("TMPDIR", before)
