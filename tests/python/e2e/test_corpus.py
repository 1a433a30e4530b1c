"""The programs of the hostile corpus that judge themselves. They run in sandboxes only, never on the host."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codemode import ClientConfig, Codemode
from e2e.conftest import COMMANDS, registry_of
from e2e.daemon import KEY, Daemon

CORPUS = Path(__file__).parents[2] / "security" / "corpus-sample.jsonl"
PROGRAMS = [json.loads(line) for line in CORPUS.read_text().splitlines()]
SELF_JUDGING = [program for program in PROGRAMS if program["check"]["kind"] == "verdict"]
# A run that is green because programs were missing proves nothing.
EXPECTED_COUNT = 62
GRANTED = ["echo", "counter", "sleep", "boom", "big", "read_file"]


class Canary:
    """Listens where no sandbox may reach: loopback TCP, an abstract socket, a Unix socket open to everyone."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "canary.sock")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0cm-canary")
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.path)
        os.chmod(self.path, 0o777)
        for listener in (self.abstract, self.unix):
            listener.listen()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.tcp.getsockname()[1]}"

    def visitors(self) -> int:
        count = 0
        for listener in (self.tcp, self.abstract, self.unix):
            listener.setblocking(False)
            try:
                listener.accept()[0].close()
                count += 1
            except BlockingIOError:
                continue
        return count

    def close(self) -> None:
        for listener in (self.tcp, self.abstract, self.unix):
            listener.close()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    # Not below a folder that only its owner may enter: the wall under test is another one.
    folder = Path("/var/tmp") / f"codemode-canary-{os.getpid()}"
    folder.mkdir(mode=0o755)
    watched = Canary(folder)
    (folder / "secret").write_text("root:x:0:0:root:/root:/bin/bash\n")
    os.chmod(folder / "secret", 0o644)
    try:
        yield watched
    finally:
        watched.close()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codemode]:
    yield from client(tmp_path_factory.mktemp("plain"), [])


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codemode]:
    yield from client(tmp_path_factory.mktemp("hybrid"), COMMANDS)


def client(folder: Path, commands: list[str]) -> Iterator[Codemode]:
    """Of a daemon with a key that the programs go looking for."""
    policy = {
        "execution": {"allowed_commands": commands},
        # Below the memory limit, so that a full disk is met as one: files there count as memory too.
        "filesystem": {"sandbox": {"max_size": "256Mi"}},
        "limits": {"code_timeout": 60},
    }
    with Daemon(folder, policy) as daemon:
        config = ClientConfig(executor_url=daemon.url, executor_api_key=daemon.key)
        with Codemode.from_client_config(config, registry=registry_of(**corpus_tools())) as codemode:
            yield codemode


def corpus_tools() -> dict[str, Any]:
    numbers = iter(range(1, 1 << 30))
    lock = threading.Lock()

    def echo(value: Any) -> Any:
        return value

    def counter() -> int:
        with lock:
            return next(numbers)

    def sleep(seconds: float, tag: Any = None) -> Any:
        threading.Event().wait(min(seconds, 30))
        return tag

    def boom() -> None:
        raise ValueError("SECRET-IN-EXCEPTION /home/app/x.py")

    def big(n: int) -> str:
        return "x" * n

    def read_file(path: str) -> str:
        raise PermissionError(f"outside the workspace: {path}")

    def admin(cmd: str) -> str:
        raise AssertionError(f"a tool that was not granted ran: {cmd}")

    tools = (echo, counter, sleep, boom, big, read_file, admin)
    return {tool.__name__: tool for tool in tools}


def filled(code: str, canary: Canary) -> str:
    replacements = {
        "@@CANARY_TCP@@": canary.address,
        "@@SECRET_PATH@@": str(Path(canary.path).parent / "secret"),
        "@@SOCK_PATH@@": canary.path,
        "@@API_KEY_A@@": KEY[:10],
        "@@API_KEY_B@@": KEY[10:],
    }
    for placeholder, value in replacements.items():
        code = code.replace(placeholder, value)
    assert "@@" not in code
    return code


def test_the_corpus_is_whole() -> None:
    assert len(SELF_JUDGING) == EXPECTED_COUNT
    assert len({program["id"] for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", SELF_JUDGING, ids=lambda program: program["id"])
def test_contained(program: dict[str, Any], plain: Codemode, hybrid: Codemode, canary: Canary) -> None:
    client = hybrid if program["mode"] == "hybrid" else plain
    code = filled(program["code"], canary)
    result = client.execute(code, execution_timeout=program["timeout_s"], tool_filter=GRANTED)
    told = f"{program['title']}: {result.outcome}\n{result.stdout[-2000:]}\n{result.stderr[-1000:]}\n{result.error}"
    assert "VERDICT: ESCAPED" not in result.stdout, told
    if result.outcome not in program["check"].get("alt_status", ()):
        assert "VERDICT: CONTAINED" in result.stdout, told
    assert canary.visitors() == 0, told
    assert not any(call.name == "admin" and call.status == "ok" for call in result.tool_calls), told
    assert client.execute("2 + 2").result == 4, "the executor must be as well as before"
