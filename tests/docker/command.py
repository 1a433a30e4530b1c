"""`codemode docker …` as a user gives it: at home in a folder of the test's own, on the tests' engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from docker.container import docker
from e2e.daemon import CODEMODE

NAME = "codemode-executor"
# What the Dockerfile starts from, and what the page therefore builds on.
USUAL_BASE = "debian:bookworm-slim"


def base() -> str:
    """A Debian with all that the Dockerfile installs: nothing is downloaded."""
    return os.environ["CODEMODE_DOCKER_BASE"]


class User:
    """`program`: the codemode that is called; `uid`: as whom, where the caller is root."""

    def __init__(self, home: Path, program: Path = CODEMODE, uid: int | None = None) -> None:
        self.home = home
        self._program, self._uid = program, uid
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODEMODE_", "XDG_"))}
        self.environment = {**kept, "HOME": str(home), "PATH": f"{program.parent}:{kept['PATH']}"}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *words], check=False, cwd=self.home, env={**self.environment, **variables},
            user=self._uid, group=self._uid, extra_groups=None if self._uid is None else [],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def docker(self, *words: str, **variables: str) -> str:
        """Standard output of one that has to succeed."""
        ran = self.run("docker", *words, **variables)
        assert ran.returncode == 0, f"codemode docker {' '.join(words)}: {ran.stderr or ran.stdout}"
        return ran.stdout

    def refused(self, *words: str, **variables: str) -> tuple[int, str]:
        """Exit code and text of one that has to fail, and says so on standard error only."""
        ran = self.run("docker", *words, **variables)
        assert ran.returncode and not ran.stdout, ran.stdout
        assert ran.stderr.startswith("codemode: "), ran.stderr
        return ran.returncode, ran.stderr.removeprefix("codemode: ").removesuffix("\n")

    def status(self, name: str = NAME) -> Any:
        return json.loads(self.run("docker", "status", "--json", "--name", name).stdout)

    def code(self, code: str, *options: str) -> str:
        """Runs it where `codemode docker env` says."""
        script = 'eval "$(codemode docker env)" && codemode run - "$@"'
        ran = subprocess.run(
            ["bash", "-ec", script, "bash", *options], check=False, cwd=self.home, env=self.environment, input=code,
            user=self._uid, group=self._uid, extra_groups=None if self._uid is None else [],
            capture_output=True, text=True,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @property
    def places(self) -> list[Path]:
        """What is kept of containers."""
        return list((self.home / ".local" / "state" / "codemode" / "docker").glob("*"))


def succeed(words: list[str], folder: Path, environment: dict[str, str], given: str = "") -> str:
    ran = subprocess.run(words, check=False, cwd=folder, env=environment, capture_output=True, text=True, input=given)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.stderr or ran.stdout}"
    return ran.stdout


def inspect(name: str = NAME) -> Any:
    (document,) = json.loads(docker("container", "inspect", name))
    return document


def there(name: str = NAME) -> bool:
    return docker("ps", "--all", "--quiet", "--filter", f"name=^/{name}$") != ""
