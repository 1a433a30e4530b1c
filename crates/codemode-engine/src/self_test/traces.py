"""What must not reach the next execution: the first one leaves it, the second one looks for it."""

import ctypes
import os
from contextlib import suppress

OWN_FOLDERS = ("/sandbox", "/tmp", "/dev/shm")
PR_SET_NAME = 15


def leave_traces(host):
    """Files in the folders that code owns, and a process that nobody waits for."""
    for folder in OWN_FOLDERS:
        with suppress(OSError):  # full, or not there
            os.close(os.open(f"{folder}/{host['mark']}", os.O_WRONLY | os.O_CREAT, 0o666))
    with suppress(OSError):  # no process to spare
        leave_process(host["mark"].encode())


def leave_process(name):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NAME, name)  # for the executor to find; its child inherits it
    os.setsid()
    try:
        stays = os.fork() == 0
    except OSError:
        stays = False
    while stays:
        libc.pause()
    os._exit(0)


def left_files(host):
    """What the execution before this one left is gone."""
    for folder in OWN_FOLDERS:
        if os.path.lexists(f"{folder}/{host['mark']}"):
            return f"found a file of an earlier execution in {folder}"
    return None
