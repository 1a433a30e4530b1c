"""What an executor occupies on the machine, seen from outside: to be the same after every program."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

from e2e import processes
from security.waiting import eventually

CGROUPS = Path("/sys/fs/cgroup")
_UNREADABLE = "unreadable"
_USER_ID = re.compile(r"/\d{10}\b")


@dataclass(frozen=True)
class Place:
    """Where to look: a daemon, the process below which everybody there is, and the folders that executions share."""

    daemon: int
    family: int
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Footprint:
    """Counts, except `files`. A parked sandbox is two processes, and there is always one."""

    processes: int
    zombies: int
    users: int
    pid_namespaces: int
    mount_namespaces: int
    network_namespaces: int
    ipc_namespaces: int
    zygote_mounts: int
    control_groups: int
    descriptors: int
    zygote_descriptors: int
    files: tuple[str, ...]

    def beyond(self, baseline: Footprint) -> list[str]:
        """What there is more of. Less is no leak: a file may be closed that was open before."""
        found = []
        for each in fields(self):
            now, before = getattr(self, each.name), getattr(baseline, each.name)
            if not (now <= before if isinstance(now, int) else now == before):
                found.append(f"{each.name}: {before} before, {now} now")
        return found


def footprint(place: Place) -> Footprint:
    pids = [process.pid for process in processes.descendants(place.family)]
    zygotes = processes.children(place.daemon)
    return Footprint(
        processes=len(pids),
        zombies=sum(processes.state(pid) == "Z" for pid in pids),
        users=len({user for pid in pids if (user := _user(pid)) is not None}),
        pid_namespaces=_namespaces(pids, "pid"),
        mount_namespaces=_namespaces(pids, "mnt"),
        network_namespaces=_namespaces(pids, "net"),
        ipc_namespaces=_namespaces(pids, "ipc"),
        zygote_mounts=sum(_lines(f"/proc/{pid}/mountinfo") for pid in zygotes),
        control_groups=_control_groups(place.daemon),
        descriptors=_descriptors(place.daemon),
        zygote_descriptors=sum(map(_working_descriptors, zygotes)),
        files=tuple(sorted(file for folder in place.folders for file in _files(folder))),
    )


def at_rest(place: Place) -> Footprint:
    """Once the zygote and one parked sandbox stand, which is two processes, one of which waits for code."""
    assert eventually(lambda: len(processes.descendants(place.daemon)) == 3), processes.descendants(place.daemon)
    seen = [footprint(place)]

    def steady() -> bool:
        seen.append(footprint(place))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    assert eventually(steady), seen[-3:]
    return seen[-1]


def left_behind(place: Place, baseline: Footprint) -> list[str]:
    """Waits until nothing is; what there still is when patience ends."""
    seen: list[str] = []

    def look() -> bool:
        seen[:] = footprint(place).beyond(baseline)
        return not seen

    eventually(look)
    return seen


def _files(folder: Path) -> Iterator[str]:
    """Their names, at most so many of them. A parked sandbox's own folder is called by its user id, which differs."""
    for place, folders, files in islice(os.walk(folder), 1000):
        yield from (_USER_ID.sub("/ID", os.path.join(place, name)) for name in folders + files)


def _user(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _namespaces(pids: list[int], kind: str) -> int:
    """An ordinary user may not look into a sandbox; those count as one."""
    found = set()
    for pid in pids:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        except PermissionError:
            found.add(_UNREADABLE)
        except OSError:
            continue
    return len(found)


def _descriptors(pid: int) -> int:
    try:
        return processes.descriptors(pid)
    except OSError:
        return 0


# Empty network namespaces that a zygote keeps for later cells at most (`networks.rs`), and those of cells that live.
_NETWORKS = 16 + 4


def _working_descriptors(pid: int) -> int:
    """Without what a zygote keeps up to a bound: owner maps, one for each of its 256 user ids, made once (`owners.rs`),
    and network namespaces."""
    try:
        held = [os.readlink(f"/proc/{pid}/fd/{name}").partition(":")[0] for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return 0
    assert held.count("net") <= _NETWORKS, held
    return sum(kind not in ("user", "net") for kind in held)


def _lines(path: str) -> int:
    try:
        return len(Path(path).read_text().splitlines())
    except OSError:
        return 0


def _control_groups(daemon: int) -> int:
    """Their names begin with the daemon's; where it may make none, there are none."""
    own = (f"codemode-{daemon}", f"codemode-{daemon}.", f"codemode-{daemon}-")
    return sum(
        name == own[0] or name.startswith(own[1:])
        for _, folders, _ in os.walk(CGROUPS, onerror=None)
        for name in folders
    )
