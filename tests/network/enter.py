"""Starts a command in somebody's network namespace, with a hosts file of its own.

python -m network.enter PID HOSTS COMMAND...      standard library only
"""

from __future__ import annotations

import os
import sys

from security.namespaces import CLONE_NEWNET, CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, call, only_loopback


def main() -> None:
    process, hosts, *command = sys.argv[1:]
    with open(f"/proc/{process}/ns/net") as namespace:
        call("setns", namespace.fileno(), CLONE_NEWNET)
    only_loopback()
    call("unshare", CLONE_NEWNS)
    call("mount", None, "/", None, MS_REC | MS_PRIVATE, None)
    call("mount", hosts, "/etc/hosts", None, MS_BIND, None)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
