"""What tests and measurements need of the system, installed where that can be done: on Debian, as root.

debian.py PROGRAM=PACKAGE ...    installs the packages of the programs that are missing
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def release() -> str | None:
    """The name of this machine's, where it is Debian."""
    lines = Path("/etc/os-release").read_text().splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    return facts.get("VERSION_CODENAME") if facts.get("ID") == "debian" else None


def missing(programs: dict[str, str]) -> list[str]:
    """The packages of the programs that are not there."""
    return [package for program, package in programs.items() if shutil.which(program) is None]


def install(packages: list[str]) -> str | None:
    """Why they cannot be had."""
    print(f"debian: installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A package would start its daemon for the whole machine, which nobody asked for.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            apt = ["apt-get", "--quiet", "--quiet", *command]
            ran = subprocess.run(apt, check=False, env=environment, capture_output=True, text=True)
            if ran.returncode:
                return f"cannot install {', '.join(packages)}: {ran.stderr.strip()}"
    finally:
        if ours:
            policy.unlink()
    return None


def main(programs: dict[str, str]) -> str | None:
    packages = missing(programs)
    if not packages:
        return None
    if os.getuid() != 0 or release() is None:
        return f"{', '.join(packages)}: not installed; as root on Debian this would install it"
    return install(packages)


if __name__ == "__main__":
    sys.exit(main(dict(argument.split("=", 1) for argument in sys.argv[1:])))
