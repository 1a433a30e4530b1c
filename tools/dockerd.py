"""A Docker Engine of this program's own, started by hand and ended again. Standard library only."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_LIMIT = 120
_STOP_LIMIT = 30
# ioctls of a network device, and its flag (netdevice(7)).
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


class EngineError(Exception):
    """The engine did not start; the text says what it logged last."""


@contextmanager
def engine(images: Path, folder: Path, cgroup: str) -> Iterator[dict[str, str]]:
    """Runs dockerd and gives the environment in which `docker` finds it.

    To be called in mount, pid and network namespaces of its own: an engine makes and removes bridges, and rewrites the
    firewall rules, of whatever network it finds. `folder` is for what lives as long as the engine; mounts are
    left in it, so it can be removed only when the namespaces are gone.
    """
    hide_containerd()
    raise_loopback()
    (folder / "daemon.json").write_text("{}")
    environment = {**os.environ, "DOCKER_HOST": f"unix://{folder}/docker.sock", "DOCKER_BUILDKIT": "0"}
    # Nobody's contexts and credentials: no registry is ever asked.
    environment["DOCKER_CONFIG"] = str(folder)
    command = [
        "dockerd", "--config-file", str(folder / "daemon.json"), "--data-root", str(images),
        "--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid"), "--host", environment["DOCKER_HOST"],
        "--cgroup-parent", f"/{cgroup}", "--exec-opt", "native.cgroupdriver=cgroupfs",
    ]  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output, ready_socket(folder / "ready") as ready:
        notified = {**os.environ, "NOTIFY_SOCKET": str(folder / "ready")}
        process = subprocess.Popen(
            command, env=notified, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            if not started(process, ready):
                raise EngineError(f"dockerd did not start:\n{log.read_text(errors='replace')[-4000:]}")
            remove_leftovers(environment)
            yield environment
            remove_leftovers(environment)
        finally:
            stop(process)


def hide_containerd() -> None:
    """dockerd would use a containerd of this machine's if it found one; in this mount namespace there is none."""
    for folder in ("/run/containerd", "/var/run/docker/containerd"):
        if Path(folder).is_dir():
            subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)


@contextmanager
def ready_socket(path: Path) -> Iterator[socket.socket]:
    """Where dockerd says that it is ready, as it would to systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(path))
        yield ready


def started(process: subprocess.Popen[bytes], ready: socket.socket) -> bool:
    ended = os.pidfd_open(process.pid)
    try:
        readable, _, _ = select.select([ready.fileno(), ended], [], [], _START_LIMIT)
        return ready.fileno() in readable and b"READY=1" in ready.recv(4096)
    finally:
        os.close(ended)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def remove_leftovers(environment: dict[str, str]) -> None:
    """Of a run that was cut short, and images that a newer one replaced. All on this engine are ours."""
    for what, remove in (("container", "--all"), ("volume", ""), ("network", "--filter=type=custom")):
        listing = ["docker", what, "ls", "--quiet", *filter(None, [remove])]
        names = subprocess.run(listing, env=environment, check=True, capture_output=True, text=True).stdout.split()
        if names:
            subprocess.run(
                ["docker", what, "rm", *(["--force"] if what != "network" else []), *names],
                env=environment, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
    prune = ["docker", "image", "prune", "--force"]
    subprocess.run(prune, env=environment, check=True, stdout=subprocess.DEVNULL)


def raise_loopback() -> None:
    """A new network namespace has its loopback down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def remove_cgroups(name: str) -> None:
    """What a run that was killed left of its control groups; nothing runs in them any more."""
    for top in Path("/sys/fs/cgroup").glob(f"*/{name}"), Path("/sys/fs/cgroup").glob(name):
        for found in top:
            for folder, _, _ in os.walk(found, topdown=False):
                Path(folder).rmdir()
