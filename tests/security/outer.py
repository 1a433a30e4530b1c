"""A cage around a whole executor: for one that misses a wall, and for one that stands in for a container.

Nothing in there can reach the machine's own namespaces: pid, ipc, net (only lo), uts and mount namespaces of its own,
and an overlay over the host whose changes live in memory. Started as root by `caged.py`, a specification on stdin.

    python -m security.outer  <  {"folder": …, "shared": […], "kind": "walls" | "container", "pid": …,
                                  "workspace": …, "outputs": …, "command": […], "environment": {…},
                                  "network": null | {"addresses": […], "resolv_conf": …, "hosts": …},
                                  "uid": 0 | whom the executor runs as}
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from network.link import assign, resolver_files
from security import standin
from security.namespaces import MS_NODEV, MS_NOSUID, bind, call, enter_root, inside, only_loopback, stage_root, tmpfs


def main() -> int:
    return inside(partial(init, json.load(sys.stdin)))


def init(specification: dict[str, Any]) -> NoReturn:
    """Process 1: builds the cage, starts the executor, collects orphans, and ends everything when the executor ends."""
    container = specification["kind"] == "container"
    merged = stage_root(Path(specification["folder"]))
    call("mount", "proc", str(merged / "proc"), "proc", MS_NOSUID | MS_NODEV, None)
    if container:
        standin.furnish(merged, Path(specification["workspace"]), Path(specification["outputs"]))
    else:
        furnish(merged)
    for shared in specification["shared"]:
        bind(Path(shared), merged / shared.lstrip("/"))
    if network := specification["network"]:
        assign(network["addresses"])
        resolver_files(merged, network["resolv_conf"], network["hosts"])
    enter_root(merged)
    only_loopback()
    # Not the machine's.
    socket.sethostname("cage")
    # A daemon's user ids follow from its pid, and they count on the whole machine.
    with suppress(FileNotFoundError):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(specification["pid"]))
    if container:
        standin.mask_proc()
        standin.give_up_rights()
    os._exit(serve(specification["command"], specification["environment"], specification["uid"]))


def furnish(merged: Path) -> None:
    bind(Path("/dev"), merged / "dev")
    tmpfs(merged / "dev/shm", "size=64m,mode=1777")
    tmpfs(merged / "tmp", "size=400m,mode=1777")


def serve(command: list[str], environment: dict[str, str], uid: int) -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        if uid:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        os.execve(command[0], command, environment)
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
