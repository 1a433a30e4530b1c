"""The shipped compose files, run where a user would: in a folder of their own, beside their volumes."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal

from docker.container import Container, docker

Network = Literal["published", "internal", "socket"]

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_MERGED: dict[Network, list[str]] = {"published": [], "internal": ["internal.yml"], "socket": ["socket.yml"]}
# Where the documentation's block stands, in a checkout that has it beside this repository.
DOCUMENT = ROOT.parent / "shared" / "seeds" / "hybrid-execution.md"


@functools.cache
def program() -> tuple[str, ...]:
    """Compose as a plugin of docker, or the older program of its own."""
    plugin = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)
    return ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)


def documented_block() -> str | None:
    """The compose block as the documentation prints it; None where there is no documentation beside this checkout."""
    if not DOCUMENT.is_file():
        return None
    after = DOCUMENT.read_text().partition("### docker-compose.yml")[2]
    return after.partition("```yaml\n")[2].partition("```")[0]


class Project:
    """One `docker compose` project with one executor."""

    def __init__(self, file: str, network: Network, env: dict[str, str], image: str, config: Path | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="codemode-compose-"))
        self.network = network
        self._file = file
        self._env, self._image, self._config = env, image, config
        self._files = [file, "test.yml", *_MERGED[network]]

    def lay_out(self, workspace: Path, outputs: Path, uid: int) -> None:
        for shipped in (*(DEPLOY / "compose").glob("*.yml"), DEPLOY / "docker" / "seccomp.json"):
            copied = self.folder / shipped.relative_to(DEPLOY)
            copied.parent.mkdir(exist_ok=True)
            shutil.copy(shipped, copied)
        place = self.folder / "compose"
        (place / "project_files").symlink_to(workspace)
        (place / "outputs").symlink_to(outputs)
        (place / "run").mkdir()
        os.chown(place / "run", uid, uid)
        if block := documented_block():
            (place / "docker-compose.yml").write_text(block)
        (place / "test.yml").write_text(json.dumps({"services": {"executor": self._override()}}))  # JSON is YAML

    def _override(self) -> dict[str, Any]:
        """Image, ports and environment, as the documentation's block leaves them open."""
        override: dict[str, Any] = {"image": self._image, "environment": self._env}
        if self.network == "published":
            override["ports"] = [f"127.0.0.1::{self._env.get('CODEMODE_PORT', '8001')}"]
        if self._file == "hardened.yml":
            # An engine that comes back after a run was cut short must not start its containers again.
            override["restart"] = "no"
        if self._config:
            override["volumes"] = [f"{self._config}:/etc/codemode/codemode.yaml:ro"]
        return override

    def up(self) -> Container:
        self._compose("up", "--detach", "--no-build")
        name = self._container("executor")
        gateway = self._container("gateway") if self.network == "internal" else None
        socket = self.folder / "compose" / "run" / "codemode.sock" if self.network == "socket" else None
        container = Container(name, f"unix://{socket}", self.remove, socket, gateway)
        container.wait_for_log(" serving address=")
        if gateway:
            self._wait_for(gateway)
        if not socket:
            container.url = f"http://{docker('port', gateway or name).split()[-1]}"
        return container

    def _container(self, service: str) -> str:
        return self._compose("ps", "--quiet", service).strip()

    def _wait_for(self, gateway: str) -> None:
        """Each question takes a while, and the first that is answered ends this."""
        for _ in range(200):
            asked = subprocess.run(["docker", "exec", gateway, "codemode", "health"], check=False, capture_output=True)
            if asked.returncode == 0:
                return
        raise AssertionError(f"the gateway does not answer: {asked.stderr.decode()}{docker('logs', gateway)}")

    def remove(self) -> None:
        """Also a second time."""
        if (self.folder / "compose").exists():
            self._compose("down", "--volumes", "--timeout", "10")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _compose(self, *words: str) -> str:
        options = ["--project-name", self.folder.name.lower(), *(part for file in self._files for part in ("-f", file))]
        # Port 0: whichever is free.
        environment = {**os.environ, "CODEMODE_API_KEY": "unused", "CODEMODE_PUBLISHED_PORT": "0"}
        environment["CODEMODE_IMAGE"] = self._image
        ran = subprocess.run(
            [*program(), *options, *words], check=False, cwd=self.folder / "compose", env=environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert ran.returncode == 0, f"{' '.join(words)}: {ran.stderr or ran.stdout}"
        return ran.stdout
