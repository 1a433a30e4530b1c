"""One executor under test with everything the corpus expects around it, and the look at it after each program."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from codemode import ClientConfig, Codemode, CodemodeError
from e2e import processes
from e2e.conftest import registry_of
from security.canaries import Canaries
from security.executor import Executor
from security.leftovers import at_rest, left_behind
from security.programs import Program
from security.toolbox import GRANTED, Toolbox

# The documentation's own list, and cp.
HYBRID = ["grep", "cat", "ls", "find", "wc", "head", "tail", "bash", "cp"]
COMMANDS: dict[str, list[str]] = {"plain": [], "hybrid": HYBRID}
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
    # What a bystander runs first.
    beside = "open('/sandbox/cm_other', 'w').write('OTHER-SECRET')\nopen('/tmp/cm_other', 'w').write('OTHER-SECRET')\n"

    def __init__(self, executor: Executor, canaries: Canaries, workspace: Path) -> None:
        self.executor, self.canaries, self.workspace = executor, canaries, workspace
        self.outputs = executor.outputs
        self.toolbox = Toolbox(workspace)
        config = ClientConfig(executor_url=executor.url, executor_api_key=SecretStr(executor.key))
        self.client = Codemode.from_client_config(config, registry=registry_of(**self.toolbox.tools()))
        half = len(executor.key) // 2
        self.places = {
            **canaries.places,
            # Without a port of its own: one where somebody listens all the same.
            "EXEC_PORT": str(executor.port or canaries.places["CANARY_TCP"].rpartition(":")[2]),
            "API_KEY_A": executor.key[:half],
            "API_KEY_B": executor.key[half:],
        }
        self._warm()
        self.zygotes = processes.children(self.pid)
        self._workspace_before = tree_hash(workspace)
        self.baseline = at_rest(executor.place)
        self.memory_before = processes.memory(self.pid, "VmRSS")

    @property
    def pid(self) -> int:
        return self.executor.pid

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
        """Another caller's execution that is in the middle of a tool call; its result is in the list afterwards.

        Where one execution runs at a time there can be none beside it; then it has just ended.
        """
        self.toolbox.called.clear()
        self.toolbox.ended.clear()
        code = f"{self.beside}kept = tools['sleep'].run(seconds=30, tag='mine')\nkept, open('/sandbox/cm_other').read()"
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(self.execute(code, 30)))
        thread.start()
        try:
            assert self.toolbox.called.wait(30), "the other execution never got to its tool call"
            if self.executor.one_at_a_time:
                self.toolbox.ended.set()
                thread.join()
            yield results
        finally:
            self.toolbox.ended.set()
            thread.join()
            self.toolbox.ended.clear()

    def answers(self) -> None:
        status, _ = self.executor.http("/healthz")
        assert status == 200
        answer = self.client.execute("2 + 2")
        assert answer.result == 4, f"{answer.outcome}: {answer.error}\n{self.executor.log()[-2000:]}"

    def left_behind(self) -> list[str]:
        return left_behind(self.executor.place, self.baseline)

    def same_processes(self) -> bool:
        return processes.state(self.pid) not in ("gone", "Z", "X") and processes.children(self.pid) == self.zygotes

    def check_well(self) -> None:
        """After every program: it answers, and has nothing more than before."""
        self.answers()
        left = self.left_behind()
        assert not left, left
        assert self.same_processes(), "the zygote was replaced"
        grown = processes.memory(self.pid, "VmRSS") - self.memory_before
        assert grown < GROWTH_LIMIT, f"the daemon holds {grown >> 20} MiB more than before"

    def workspace_unchanged(self) -> bool:
        return tree_hash(self.workspace) == self._workspace_before

    def clean(self) -> None:
        """What the programs wrote to /outputs is the user's from then on."""
        for entry in self.outputs.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def close(self) -> None:
        self.toolbox.ended.set()
        self.client.close()


def policy(commands: list[str], workspace: str, outputs: str, interpreter: Path, **more: Any) -> dict[str, Any]:
    """`workspace` and `outputs`: as the executor finds them."""
    return {
        "execution": {"allowed_commands": commands},
        "filesystem": {
            "workspace": {"mount": workspace},
            # Below the memory limit, so that a full disk is met as one: files there count as memory too.
            "sandbox": {"max_size": "256Mi"},
            "outputs": {"mount": outputs, "max_size": OUTPUTS_LIMIT},
        },
        "limits": {"code_timeout": 60},
        "guest": {"interpreter": str(interpreter)},
        "pool": {"min": 1, "max": 1},
        **more,
    }


def environment(folder: Path, python: str) -> Path:
    """A virtual environment whose packages hold programs, as wheels do; the interpreter's path."""
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
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
