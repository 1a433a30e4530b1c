"""The bare cage: where the programs that judge themselves must get through, or the suite proves nothing.

A throw-away uid without capabilities, pid, ipc, net, uts and mount namespaces of its own, and an overlay over the whole
host whose changes live in memory. No Landlock, no seccomp, no limits, no minimal root. Started as root by `bare.py`
with a specification on stdin; it drops root before anything of a program is read, and refuses to go on if that is not
so.

    python -m security.cage   <  {"code": …, "folder": …, "uid": …, "key": …, "repeat": …, "secret": …, "sock": …}
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from security.namespaces import (
    CAPABILITY_SETS,
    MS_NODEV,
    MS_NOSUID,
    bind,
    bound_capabilities,
    call,
    enter_root,
    follow_parent,
    inside,
    libc,
    only_loopback,
    stage_root,
    status,
    tmpfs,
)

SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
SYSTEM_PYTHON = "/usr/bin/python3"
RUNNER = Path(__file__).with_name("naive.py")
# Where the canaries listen in here: nothing outside these namespaces can be reached, and nothing there can reach in.
TCP_PORT, UDP_PORT, EXECUTOR_PORT = 45999, 45998, 45997


def main() -> int:
    return inside(partial(init, json.load(sys.stdin)))


def init(specification: dict[str, Any]) -> NoReturn:
    """Process 1 of the cage. Root only until `drop`."""
    runner = RUNNER.read_text()
    root(Path(specification["folder"]))
    furnish(specification)
    drop(specification["uid"])
    check()
    listeners = listen(specification["sock"])
    bystander = spawn([SYSTEM_PYTHON, "-I", "-c", "import signal; signal.pause()", specification["key"]], specification)
    program = spawn(
        [SYSTEM_PYTHON, "-I", "-c", runner, str(specification["repeat"])], specification, specification["code"]
    )
    _, ended = os.waitpid(program, 0)
    os.kill(bystander, signal.SIGKILL)
    del listeners
    forget_keys()
    # The namespace dies with its first process, and everybody in it.
    os._exit(os.waitstatus_to_exitcode(ended) & 0xFF)


def forget_keys() -> None:
    """Keyrings belong to the uid, not to a namespace: what programs put there would be there next time."""
    KEYCTL_CLEAR = 7
    for keyring in (-4, -5):
        libc.syscall(SYS_KEYCTL, KEYCTL_CLEAR, keyring)


def root(folder: Path) -> None:
    merged = stage_root(folder)
    bind(Path("/dev"), merged / "dev")
    tmpfs(merged / "dev/shm", "size=1600m,mode=1777")
    tmpfs(merged / "tmp", "size=400m,mode=1777")
    call("mount", "proc", str(merged / "proc"), "proc", MS_NOSUID | MS_NODEV, None)
    enter_root(merged)


def furnish(specification: dict[str, Any]) -> None:
    """The folders that programs write to, and what the corpus wants to be found outside them."""
    uid = specification["uid"]
    for name in ("sandbox", "outputs", "workspace", "workspace/odd", "workspace/data"):
        Path("/", name).mkdir(exist_ok=True)
        os.chown(f"/{name}", uid, uid)
    files = {"/workspace/app.log": "line\n" * 100, "/workspace/data/table.csv": "a,b\n", specification["secret"]: None}
    for path, text in files.items():
        Path(path).parent.mkdir(exist_ok=True, parents=True)
        Path(path).write_text("root:x:0:0:root:/root:/bin/bash\n" if text is None else text)
        os.chown(path, uid, uid)
    os.symlink("/etc/passwd", "/workspace/odd/escape")
    program = Path("/workspace/odd/program")
    program.write_bytes(Path("/usr/bin/id").read_bytes())
    program.chmod(0o755)
    os.chown(Path(specification["secret"]).parent, uid, uid)


def drop(uid: int) -> None:
    """For good: no capability, none to be had, no group, and no program may bring any back."""
    bound_capabilities()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    follow_parent()


def check() -> None:
    """Nothing of a program runs unless this holds."""
    assert os.getpid() == 1
    assert 0 not in os.getresuid() + os.getresgid() and not os.getgroups()
    now = status()
    for name in CAPABILITY_SETS:
        assert int(now[name], 16) == 0, name
    only_loopback()


def listen(path: str) -> list[socket.socket]:
    """The same canaries as outside; whoever connects has got through."""
    made = []
    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TCP_PORT)),
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", EXECUTOR_PORT)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", UDP_PORT)),
        (socket.AF_UNIX, socket.SOCK_STREAM, "\0cm-canary"),
        (socket.AF_UNIX, socket.SOCK_STREAM, path),
        (socket.AF_UNIX, socket.SOCK_STREAM, "/workspace/odd/host.sock"),
        (socket.AF_UNIX, socket.SOCK_DGRAM, "/workspace/odd/host.dgram"),
    ):
        listener = socket.socket(family, kind)
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        made.append(listener)
    return made


def spawn(command: list[str], specification: dict[str, Any], stdin: str | None = None) -> int:
    """As an executor without walls would: with its own environment, key included."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(reading, 0)
        os.closerange(3, 4096)
        os.chdir("/sandbox")
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/sandbox", "CODEMODE_API_KEY": specification["key"]}
        os.execve(command[0], command, environment)
    os.close(reading)
    os.set_inheritable(writing, False)
    with os.fdopen(writing, "w", encoding="utf-8", errors="surrogatepass") as pipe:
        pipe.write(stdin or "")
    return child


if __name__ == "__main__":
    sys.exit(main())
