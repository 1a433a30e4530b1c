"""What the executor itself gave up, seen from outside: by root, by another process of its user, by what it starts."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from codemode import ClientConfig, Codemode
from e2e import processes
from e2e.conftest import registry_of
from e2e.daemon import KEY, Daemon
from security.arena import fill_workspace, policy
from security.cage import SYSTEM_PYTHON
from security.caged import DAEMON, LIBRARY, ORDINARY, START_LIMIT, Guest, caged, caged_home
from security.executor import Log
from security.test_walls import DAEMON as DAEMON_WITHOUT_WALLS
from security.test_walls import REMOVABLE

ROOT = os.getuid() == 0
# No account: whom a daemon runs as that root starts for somebody.
UID = 64324
KINDS = ("here", "ordinary", "container") if ROOT else ("here",)
COMMANDS = ["grep", "bash"]

only_root = pytest.mark.skipif(not ROOT, reason="only root can start it as somebody else; the main run does")


@dataclass(frozen=True)
class Served:
    kind: str
    url: str
    pid: int
    outputs: Path
    log: Callable[[], str]

    @property
    def zygote(self) -> int:
        (zygote,) = processes.children(self.pid)
        return zygote


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    start = {"here": here, "ordinary": ordinary, "container": container}[request.param]
    with ExitStack() as stack:
        yield stack.enter_context(start(tmp_path_factory.mktemp("hardened")))


@contextmanager
def here(folder: Path) -> Iterator[Served]:
    workspace, outputs = fill_workspace(folder / "workspace"), folder / "outputs"
    with Daemon(folder, policy(COMMANDS, str(workspace), str(outputs), Path(sys.executable))) as daemon:
        assert daemon.process.stdout
        log = Log(daemon.process.stdout, daemon.log)
        yield Served("here", daemon.url, daemon.pid, outputs, log)


@contextmanager
def ordinary(_: Path, guest: Guest = ORDINARY) -> Iterator[Served]:
    """As a user who owns nothing but this."""
    with caged_home() as home:
        workspace, outputs = fill_workspace(home / "workspace"), home / "outputs"
        share = lay_out(home / "share", policy(COMMANDS, str(workspace), str(outputs), Path(SYSTEM_PYTHON)), guest)
        for owned in (home, outputs, *(path for path in (workspace, *workspace.rglob("*")) if not path.is_symlink())):
            os.chown(owned, UID, UID)
        address = f"unix:{home / 'socket'}"
        process = subprocess.Popen(
            [share / "bin/codemode", "serve", "--config", share / "policy.yaml", "--listen", address],
            env={"PATH": "/usr/bin:/bin", "TMPDIR": str(home), "CODEMODE_API_KEY": KEY}, cwd=home, user=UID,
            group=UID, extra_groups=[], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout
        try:
            log = Log(process.stdout)
            assert log.says("serving", START_LIMIT), log()
            yield Served("ordinary", address, process.pid, outputs, log)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


def lay_out(share: Path, wanted: dict[str, Any], guest: Guest) -> Path:
    for made in (share / "bin", share / "lib/codemode", share / guest.folder):
        made.mkdir(parents=True)
    shutil.copy2(guest.daemon, share / "bin" / DAEMON.name)
    shutil.copy2(guest.library, share / guest.folder / LIBRARY.name)
    (share / "lib/codemode" / LIBRARY.name).symlink_to(share / guest.folder / LIBRARY.name)
    (share / "policy.yaml").write_text(json.dumps(wanted))
    return share


@contextmanager
def container(_: Path) -> Iterator[Served]:
    """In the stand-in for a container; its filter and no_new_privs are there already."""
    with caged_home() as home:
        workspace = fill_workspace(home / "workspace")
        wanted = policy(COMMANDS, "/workspace", "/outputs", Path(SYSTEM_PYTHON))
        with caged("container", home, wanted, workspace, ORDINARY) as executor:
            yield Served("container", executor.url, executor.pid, executor.outputs, executor.log)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def core_limit(pid: int) -> str:
    (line,) = (line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in line)
    return line.split()[5]


def test_the_kernel_says_so(served: Served) -> None:
    # A container's own filter is the first.
    filters = 2 if served.kind == "container" else 1
    for pid in (served.pid, served.zygote):
        now = status(pid)
        assert (now["NoNewPrivs"], now["Seccomp"], now["Seccomp_filters"]) == ("1", "2", str(filters))
        assert core_limit(pid) in ("0", "1")
    # What shows a process's memory is root's once it may not be dumped.
    assert os.stat(f"/proc/{served.pid}/mem").st_uid == 0
    if ROOT:
        assert Path(f"/proc/{served.zygote}/environ").read_bytes() == b""


def test_it_says_so_as_well(served: Served) -> None:
    said = served.log()
    for words in ("executor hardened", "not dumpable", "no_new_privs", "no TCP connection out", "calls refused"):
        assert words in said
    assert ("programs start" in said) == (served.kind == "container")


def test_work_is_done_all_the_same(served: Served) -> None:
    code = """
import subprocess
found = subprocess.run(['grep', '-c', 'line', '/workspace/app.log'], capture_output=True, text=True)
below = subprocess.run(['bash', '-c', 'ls'], capture_output=True)
open('/outputs/left.txt', 'w').write('left')
[found.stdout.strip(), below.returncode, tools['twice'].run(n=21)]
"""
    config = ClientConfig(executor_url=served.url, executor_api_key=SecretStr(KEY))
    with Codemode.from_client_config(config, registry=registry_of(twice=twice)) as client:
        result = client.execute(code)
    assert result.result == ["100", 126, 42], result
    # Read from the memory of a process of the sandbox, which tier container does not do.
    seen = [violation.source for violation in result.violations if violation.detail == "ls"]
    assert seen == ([] if served.kind == "container" else ["supervisor"]), result.violations
    assert (served.outputs / "left.txt").read_text() == "left"


def twice(n: int) -> int:
    """Twice as much."""
    return 2 * n


INTRUDER = """
import ctypes, os, sys
pid, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
def attempt(name, act):
    try:
        print(name, 'read' if act() else 'refused')
    except OSError:
        print(name, 'refused')
def attach():
    if libc.ptrace(PTRACE_ATTACH, pid, None, None):
        return False
    os.waitpid(pid, 0x40000000)
    return libc.ptrace(PTRACE_DETACH, pid, None, None) == 0
attempt('environment', lambda: open(f'/proc/{pid}/environ').read())
attempt('memory', lambda: open(f'/proc/{pid}/mem', 'rb'))
attempt('descriptors', lambda: os.listdir(f'/proc/{pid}/fd'))
attempt('trace', attach)
"""


def intrude(pid: int) -> dict[str, str]:
    """By a process of the daemon's own user."""
    run = subprocess.run(
        [SYSTEM_PYTHON, "-I", "-c", INTRUDER, str(pid)], capture_output=True, text=True, check=True,
        **({"user": UID, "group": UID, "extra_groups": []} if ROOT else {}),
    )  # fmt: skip
    return dict(line.split() for line in run.stdout.splitlines())


REFUSED = dict.fromkeys(("environment", "memory", "descriptors", "trace"), "refused")


@pytest.mark.skipif(ROOT, reason="root may look into everybody; the same is tried as an ordinary user below")
def test_nobody_of_its_user_looks_into_it(served: Served) -> None:
    assert intrude(served.pid) == REFUSED


@only_root
def test_nobody_of_an_ordinary_user_looks_into_it(tmp_path: Path) -> None:
    with ordinary(tmp_path) as served:
        assert intrude(served.pid) == REFUSED


@only_root
def test_without_the_wall_somebody_does(tmp_path: Path) -> None:
    """Or the tests above prove nothing."""
    assert REMOVABLE.is_file() and DAEMON_WITHOUT_WALLS.is_file(), "run `make build-walls`"
    guest = Guest(REMOVABLE, "codemode-without-daemon", DAEMON_WITHOUT_WALLS)
    with ordinary(tmp_path, guest) as served:
        seen = intrude(served.pid)
        assert (seen["environment"], seen["memory"], seen["descriptors"]) == ("read", "read", "read")
        now = status(served.pid)
        assert (now["NoNewPrivs"], now["Seccomp"]) == ("0", "0")
        assert "REMOVED" in served.log()


def test_a_crash_writes_nothing_down(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        daemon = Daemon(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    with daemon:
        os.kill(daemon.pid, signal.SIGABRT)
        ended = os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
        assert ended and (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGABRT)
    assert not list(tmp_path.glob("core*"))


def test_variables_of_the_loader_go_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the interpreter that is asked where its folders are, nor to the zygote."""
    seen, python = tmp_path / "seen", tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv >> {seen}\nexec {SYSTEM_PYTHON} "$@"\n')
    python.chmod(0o755)
    for name, value in {
        "LD_PRELOAD": "libm.so.6",
        "LD_LIBRARY_PATH": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "GLIBC_TUNABLES": "glibc.malloc.check=0",
        "MALLOC_ARENA_MAX": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with Daemon(tmp_path, {"guest": {"interpreter": str(python)}}) as daemon:
        said = daemon.log.decode()
        assert "LD_LIBRARY_PATH, LD_PRELOAD" in said and "the environment chose libraries" in said
        (zygote,) = processes.children(daemon.pid)
        if ROOT:
            assert Path(f"/proc/{zygote}/environ").read_bytes() == b""
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "PATH" in names
    assert [name for name in names if name.startswith(("LD_", "PYTHON", "GLIBC", "MALLOC", "CODEMODE"))] == []
