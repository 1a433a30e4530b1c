"""What a container engine makes of the seeds' compose file, by hand: mounts, three capabilities, a call filter.

It stands in for tier `container` where there is no container engine. The real one is driven by the container's tests.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from security.docker_filter import install
from security.namespaces import (
    CAPABILITY_SETS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    bind,
    bound_capabilities,
    call,
    hold_capabilities,
    status,
    tmpfs,
)

CAP_CHOWN, CAP_SETGID, CAP_SETUID = 0, 6, 7
CAPABILITIES = (CAP_CHOWN, CAP_SETGID, CAP_SETUID)
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
# As the engine does it: these show nothing, or may not be written.
MASKED = ("/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys")
HARDENED = MS_NOSUID | MS_NODEV | MS_NOEXEC


def furnish(merged: Path, workspace: Path, outputs: Path) -> None:
    """The compose file's volumes. A named tmpfs volume has none of the engine's usual flags: programs run from it."""
    call("mount", "sysfs", str(merged / "sys"), "sysfs", HARDENED | MS_RDONLY, None)
    _devices(merged / "dev")
    tmpfs(merged / "sandbox", "size=1024m,mode=1777", 0)
    tmpfs(merged / "tmp", "size=100m,mode=1777", HARDENED)
    bind(workspace, merged / "workspace", MS_RDONLY)
    bind(outputs, merged / "mnt/outputs")
    # The image's link: a volume for /outputs lands where it leads.
    (merged / "outputs").symlink_to("/mnt/outputs")


def _devices(target: Path) -> None:
    tmpfs(target, "size=64k,mode=755", MS_NOSUID)
    for name in DEVICES:
        number = os.stat(f"/dev/{name}").st_rdev
        os.mknod(target / name, stat.S_IFCHR | 0o666, number)
        (target / name).chmod(0o666)
    for name, leads in LINKS.items():
        (target / name).symlink_to(leads)
    tmpfs(target / "shm", "size=64m,mode=1777", HARDENED)
    (target / "pts").mkdir()
    call("mount", "devpts", str(target / "pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    (target / "ptmx").symlink_to("pts/ptmx")


def mask_proc() -> None:
    for name in filter(os.path.exists, MASKED):
        call("mount", "/dev/null", name, None, MS_BIND, None)
    for name in READ_ONLY:
        bind(Path(name), Path(name), MS_RDONLY | HARDENED)
    tmpfs(Path("/sys/firmware"), "size=4k", HARDENED | MS_RDONLY)


def give_up_rights() -> None:
    """Of everybody in here, this process included. Nobody goes on unless it holds."""
    bound_capabilities(CAPABILITIES)
    hold_capabilities(CAPABILITIES)
    install()
    now, mask = status(), sum(1 << capability for capability in CAPABILITIES)
    sets = {name: int(now[name], 16) for name in CAPABILITY_SETS}
    assert sets == {"CapInh": 0, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": 0}, sets
    assert (now["NoNewPrivs"], now["Seccomp"]) == ("1", "2")
