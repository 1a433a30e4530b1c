"""A daemon with a network of its own: in a cage, on the arena's ground."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from codemode import ClientConfig, Codemode
from network.authority import Authority
from network.ground import Ground
from network.package_index import package_index
from network.places import ALLOWED, BLOCKED, HOSTS, LISTED_PORTS, ON_LO, RESOLV_CONF
from network.repository import repository
from security.arena import OUTPUTS_LIMIT, fill_workspace
from security.cage import SYSTEM_PYTHON
from security.caged import ORDINARY, Guest, caged, caged_home
from security.executor import Executor

KINDS = {"full": "walls", "container": "container"}
# Tier full without root: the walls are made in a user namespace.
ALSO = {"rootless": "ordinary"}
NETWORK = {"addresses": ON_LO, "resolv_conf": RESOLV_CONF, "hosts": HOSTS}
RESTRICTED = {
    "mode": "restricted", "allowed_domains": ALLOWED, "blocked_domains": BLOCKED, "ports": list(LISTED_PORTS),
}  # fmt: skip
COMMANDS = ["curl", "git", "bash", "cat", "sleep"]
# The clients of executed code; all that they need comes with them.
CLIENTS = ("requests", "httpx", "pip")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass
class House:
    executor: Executor
    ground: Ground
    home: Path
    workspace: Path

    def client(self, policy: dict[str, Any] | None = None) -> Codemode:
        """`policy`: what it asks for instead of all that the executor allows."""

        class Narrowing(ClientConfig):
            def connect_options(self) -> dict[str, Any]:
                return super().connect_options() | ({} if policy is None else {"policy": json.dumps(policy)})

        key = SecretStr(self.executor.key)
        return Codemode.from_client_config(Narrowing(executor_url=self.executor.url, executor_api_key=key))

    @property
    def audit(self) -> Path:
        return self.home / "share/audit.jsonl"

    def audited(self, execution_id: str) -> list[dict[str, Any]]:
        """The network lines of one execution."""
        lines = map(json.loads, self.audit.read_text().splitlines())
        return [line for line in lines if line["event"] == "network" and line["execution_id"] == execution_id]


@contextmanager
def house(
    tier: str,
    network: dict[str, Any],
    *,
    commands: list[str] = COMMANDS,
    packages: tuple[str, ...] = CLIENTS,
    guest: Guest = ORDINARY,
    **policy: Any,
) -> Iterator[House]:
    """`network`: the policy's block, to which the authority's certificate is added; `policy`: its other blocks."""
    with ExitStack() as stack:
        home = stack.enter_context(caged_home())
        authority = Authority()
        trusted = authority.write(home / "share/ca.pem")
        workspace = fill_workspace(home / "workspace")
        container = tier == "container"
        folders = ("/workspace", "/outputs") if container else (str(workspace), str(home / "outputs"))
        # Elsewhere than as root the interpreter's files are read as any user would.
        interpreter = _environment(home / "share/env", sys.executable if tier == "full" else SYSTEM_PYTHON, packages)
        wanted: dict[str, Any] = {
            "execution": {"allowed_commands": commands},
            "network": network | ({} if network["mode"] == "none" else {"ca_file": str(trusted)}),
            "filesystem": {
                "workspace": {"mount": folders[0]},
                "outputs": {"mount": folders[1], "max_size": OUTPUTS_LIMIT},
            },
            "guest": {"interpreter": str(interpreter)},
            "limits": {"code_timeout": 60},
            "pool": {"min": 1, "max": 1},
            "audit": str(home / "share/audit.jsonl"),
            **policy,
        }  # fmt: skip
        executor = stack.enter_context(caged((KINDS | ALSO)[tier], home, wanted, workspace, guest, NETWORK))
        ground = Ground(executor.pid, authority)
        stack.callback(ground.close)
        served = home / "served"
        served.mkdir()
        ground.peers.pages.update(package_index() | repository(served))
        yield House(executor, ground, home, workspace)


def _environment(folder: Path, python: str, names: tuple[str, ...]) -> Path:
    """With these packages; the interpreter's path."""
    subprocess.run([python, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    for name in _with_what_they_need(names):
        _copy(metadata.distribution(name), packages)
    return folder / "bin/python"


def _with_what_they_need(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # needed by other versions of Python only
        found.add(name)
        todo += [_NAME.match(need)[0] for need in needs if "extra ==" not in need]  # type: ignore[index]
    return found


def _copy(distribution: metadata.Distribution, target: Path) -> None:
    """What is below site-packages; the same for every interpreter, so no file of one."""
    for file in distribution.files or []:
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.suffix not in (".so", ".pyc") and source.is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / file)
