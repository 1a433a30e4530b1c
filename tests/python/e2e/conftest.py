"""Everything here runs the installed package with its own executor: nothing is mocked."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codemode import Codemode, ComponentRegistry
from e2e import processes

Local = Callable[..., Codemode]

COMMANDS = ["grep", "cat", "ls", "find", "wc", "head", "tail", "bash", "cp", "sleep"]


@pytest.fixture(scope="session", autouse=True)
def the_walls_stand(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hostile programs follow. If code can see a file of the host, nothing else may run."""
    marker = tmp_path_factory.mktemp("host") / "marker"
    marker.write_text("x")
    with Codemode() as client:
        result = client.execute(f"import os\n[os.path.exists({str(marker)!r}), os.getuid() == 0]")
    if result.result != [False, False]:
        pytest.exit(f"the sandbox does not confine ({result}); no test was run", returncode=3)


@pytest.fixture(scope="session")
def codemode() -> Iterator[Codemode]:
    """The default policy: no commands, no workspace, no network."""
    with Codemode() as client:
        yield client


@pytest.fixture(scope="session")
def with_commands() -> Iterator[Codemode]:
    with Codemode.local({"execution": {"allowed_commands": COMMANDS}}) as client:
        yield client


@pytest.fixture
def local() -> Iterator[Local]:
    """Makes clients with an executor of their own: `local(policy, **tools)`."""
    opened: list[Codemode] = []

    def make(policy: dict[str, Any] | None = None, **tools: Any) -> Codemode:
        opened.append(Codemode.local(policy, registry=registry_of(**tools)))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def token() -> str:
    """A name that no other process on this machine has; fits the kernel's 15 bytes."""
    return f"cm{secrets.token_hex(6)}"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "data.txt").write_text("one\ntwo\nthree\n")
    return folder


def registry_of(**tools: Any) -> ComponentRegistry:
    """Tools by name; for one that does not describe itself, the name has to do."""
    registry = ComponentRegistry()
    for name, tool in tools.items():
        registry.register_tool(name, tool, description=None if tool.__doc__ else f"The tool {name}.")
    return registry


def executor_of(client: Codemode) -> int:
    """The process id of a client's embedded executor: the child of this process that this client has started."""
    before = set(processes.children(os.getpid()))
    assert client.execute("None").success
    (pid,) = set(processes.children(os.getpid())) - before
    return pid
