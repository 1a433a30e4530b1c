"""What every cage here is made of: namespaces of its own, the host's files under an overlay, and rights given up.

Runs as root in a process that was started for it and that ends with it. Standard library only, any Python from 3.10 on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]
_CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    converted = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    if (result := getattr(libc, name)(*converted)) < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return int(result)


def inside(init: Callable[[], NoReturn]) -> int:
    """Runs `init` as process 1 of namespaces of its own; its exit code. It is killed with this process."""
    assert os.getuid() == 0
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)
    child = os.fork()
    if child == 0:
        follow_parent()
        loopback_up()
        init()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def follow_parent() -> None:
    """A change of identity forgets it."""
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def loopback_up() -> None:
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    import fcntl

    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def stage_root(folder: Path) -> Path:
    """The whole host, readable as far as a uid may; what is written goes to memory, at most so much. The new root."""
    call("mount", None, "/", None, MS_REC | MS_PRIVATE, None)
    call("mount", "cage", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "size=1700m,mode=755")
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for made in (upper, work, merged):
        made.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    call("mount", "cage", str(merged), "overlay", MS_NOSUID | MS_NODEV, options)
    return merged


def bind(source: Path, target: Path, flags: int = 0) -> None:
    """A folder of the host itself instead of the overlay's copy: what is written there is seen outside."""
    target.mkdir(parents=True, exist_ok=True)
    call("mount", str(source), str(target), None, MS_BIND, None)
    if flags:
        call("mount", None, str(target), None, MS_REMOUNT | MS_BIND | flags, None)


def tmpfs(target: Path, options: str, flags: int = MS_NOSUID | MS_NODEV) -> None:
    target.mkdir(parents=True, exist_ok=True)
    call("mount", "tmpfs", str(target), "tmpfs", flags, options)


def enter_root(merged: Path) -> None:
    os.chdir(merged)
    call("syscall", _SYS_PIVOT_ROOT, b".", b".")
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")


def bound_capabilities(kept: Iterable[int] = ()) -> None:
    """For good: no other can be had by any program, whoever runs it."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in set(range(last + 1)) - set(kept):
        call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)


def hold_capabilities(kept: Iterable[int]) -> None:
    """These, effective and permitted, and no others."""
    mask = sum(1 << capability for capability in kept)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    call("capset", header, struct.pack("=6I", low, low, 0, high, high, 0))


def only_loopback() -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"], socket.if_nameindex()


def status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
