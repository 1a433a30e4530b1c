"""Runs the tests of the container image, on a Docker Engine that is nobody else's.

    docker.py [PYTEST ARGUMENTS]                 with the image assembled from the host's build
    docker.py --from-source [PYTEST ARGUMENTS]   with the image as its Dockerfile builds it

Without a path among the arguments: all of tests/docker. The engine runs in mount, process and network namespaces of its
own and keeps its images under target/docker: a daemon of this machine, its networks and its firewall rules are not
touched, and nothing but those images is left. Needs root and Debian, whose packages it installs where they are missing.
Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import debian
import dockerd
from docker_images import EXECUTOR, ROOT, STATE, Images, fetch_base, fetch_builder, say

SKIP = "CODEMODE_SKIP_DOCKER"
FOLDER = "CODEMODE_DOCKER_FOLDER"
STOP_LIMIT = 30

# What has to be there, and the Debian package that brings it.
PROGRAMS = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap", "unshare": "util-linux"}
COMPOSE = "docker-compose"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        return inside(arguments[1:])
    if reason := missing():
        return not_run(reason)
    from_source = arguments[:1] == ["--from-source"]
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        # Two engines cannot share their images.
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetch_base()
        if from_source:
            fetch_builder()
        return in_namespaces(arguments)


def missing() -> str | None:
    """Why no engine can be had here."""
    if os.environ.get(SKIP) == "1":
        return f"{SKIP}=1"
    if os.getuid() != 0:
        return "a Docker Engine of our own needs root"
    if debian.release() is None:
        return "the base image is made with debootstrap, which needs Debian"
    packages = debian.missing(PROGRAMS)
    if shutil.which(COMPOSE) is None and not has_compose_plugin():
        packages.append(COMPOSE)
    return debian.install(packages) if packages else None


def has_compose_plugin() -> bool:
    """For everybody: a plugin of this user's own is not looked for while the tests run."""
    if shutil.which("docker") is None:
        return False
    environment = {**os.environ, "DOCKER_CONFIG": "/nonexistent"}
    version = ["docker", "compose", "version"]
    return subprocess.run(version, check=False, capture_output=True, env=environment).returncode == 0


def not_run(reason: str) -> int:
    say(f"NOT RUN: the tests of the container image ({reason})")
    if os.environ.get(SKIP) == "1":
        return 0
    say(f"they are part of the suite; {SKIP}=1 leaves them out")
    return 1


def in_namespaces(arguments: list[str]) -> int:
    """This program once more, in namespaces that take everything with them when they end."""
    folder = Path(tempfile.mkdtemp(prefix="codemode-docker-"))
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # Docker's own small init collects what the engine leaves.
    command = [*unshare, "docker-init", "--", sys.executable, __file__, "--inside", *arguments]
    signal.signal(signal.SIGTERM, leave)
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, FOLDER: str(folder)})
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            cut_short(process)
        dockerd.remove_cgroups(folder.name)
        shutil.rmtree(folder)


def cut_short(unshare: subprocess.Popen[bytes]) -> None:
    """Everything inside is killed with the first process of the namespace, which is the last one to be gone."""
    first = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
    handles = [os.pidfd_open(int(pid)) for pid in first]
    unshare.kill()
    unshare.wait()
    for handle in handles:
        select.select([handle], [], [], STOP_LIMIT)
        os.close(handle)


def leave(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def inside(arguments: list[str]) -> int:
    folder = Path(os.environ.pop(FOLDER))
    from_source = arguments[:1] == ["--from-source"]
    try:
        with dockerd.engine(STATE / "data", folder, folder.name) as environment:
            images = Images(environment)
            images.build_from_source() if from_source else images.assemble()
            # What tests leave when they are cut short goes with the folder.
            (folder / "tmp").mkdir()
            more = {
                "CODEMODE_DOCKER_IMAGE": EXECUTOR,
                "CODEMODE_DOCKER_BASE": images.base(),
                "TMPDIR": str(folder / "tmp"),
            }
            return run_tests({**environment, **more}, arguments[from_source:])
    except dockerd.EngineError as error:
        say(str(error))
        return 1


def run_tests(environment: dict[str, str], arguments: list[str]) -> int:
    named = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    command = [sys.executable, "-m", "pytest", *([] if named else ["tests/docker"]), *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
