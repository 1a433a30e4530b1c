"""Runs tests/frameworks: each agent framework in an environment of its own, with the wheel that `build.py dev` made.

    frameworks.py [NAME ...] [-- PYTEST ARGUMENTS]     without a name: all of them

The environments are in target/frameworks, and each is kept while its requirements are the same: only making one needs
the network. The tests have none but loopback, where this is run as root, and a home folder that is thrown away.
Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from build import DEV, ROOT, TARGET, digest, fail, need_venv_module, read, run, say

TESTS = ROOT / "tests" / "frameworks"
STATE = TARGET / "frameworks"
REQUIREMENTS = "requirements.txt"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        return inside(arguments[1:])
    at = arguments.index("--") if "--" in arguments else len(arguments)
    codes = {name: tested(name, arguments[at + 1 :]) for name in chosen(arguments[:at])}
    for name, code in codes.items():
        say(f"{name}: {'passed' if code == 0 else f'FAILED, pytest ended with {code}'}")
    return max(codes.values())


def chosen(names: list[str]) -> list[str]:
    known = sorted(path.parent.name for path in TESTS.glob(f"*/{REQUIREMENTS}"))
    if unknown := set(names) - set(known):
        fail(f"no tests for {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return names or known


def tested(name: str, arguments: list[str]) -> int:
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as lock:
        # Two runs would change one environment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return run_tests(name, environment(name), arguments)


def environment(name: str) -> Path:
    """Its interpreter, with exactly the pinned packages and the newest wheel."""
    wheels = sorted(DEV.wheels.glob("codemode_runtime-*.whl"))
    if len(wheels) != 1:
        fail(f"no wheel in {DEV.wheels}; run: make build")
    folder, requirements = STATE / name, TESTS / name / REQUIREMENTS
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    made, installed = folder / ".requirements", folder / ".installed"
    wanted = digest([sys.version, os.path.realpath(sys.executable)], [requirements])
    if read(made) != wanted:
        need_venv_module()
        say(f"creating the environment of {name}; this takes some minutes")
        run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--clear", folder)
        run(*pip, "--requirement", requirements)
        made.write_text(wanted)
    if read(installed) != (wanted := digest([], wheels)):
        run(*pip, "--no-index", "--no-deps", "--force-reinstall", wheels[0])
        installed.write_text(wanted)
    return python


def run_tests(name: str, python: Path, arguments: list[str]) -> int:
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", str(TESTS / name), *arguments]
    if os.getuid() == 0:
        command = ["unshare", "--net", "--", sys.executable, __file__, "--inside", *command]
    else:
        say("not root: that nothing leaves the machine is watched by the tests, and not enforced")
    # Frameworks are large: without compiled files each run would read their sources again.
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="codemode-frameworks-") as home:
        return subprocess.run(command, check=False, cwd=ROOT, env={**kept, "HOME": home}).returncode


def inside(command: list[str]) -> int:
    """In a network namespace that has only `lo`, and that goes with its last process."""
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    os.execv(command[0], command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
