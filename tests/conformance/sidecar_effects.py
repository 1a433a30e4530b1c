"""What each of the executor's own keys does, in a file or in a variable."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from codemode import (
    AuthenticationError,
    ClientConfig,
    Codemode,
    CodemodeError,
    ComponentRegistry,
    ExecutorConnectionError,
)
from conformance import callback_effects
from conformance.client_effects import answers, as_variable
from conformance.executors import nested
from conformance.serving import environment
from e2e.daemon import CODEMODE, KEY
from e2e.test_tls_client import Authority
from security.executor import Log

Settings = dict[str, Any]
Where = Literal["file", "variable"]


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    log: Log
    address: str

    def client(self, key: str | None = None, tls: Settings | None = None, **tools: Any) -> Codemode:
        registry = ComponentRegistry()
        for name, tool in tools.items():
            registry.register_tool(name, tool, description="What the test needs.")
        scheme = "" if self.address.startswith("unix:") else "grpc://" if tls is None else "grpcs://"
        settings = {"executor_url": f"{scheme}{self.address}", "executor_api_key": key, "tls": tls or {}}
        return Codemode(ClientConfig.from_dict(settings | {"retry": {"enabled": False}}), registry=registry)


@dataclass(frozen=True)
class Serve:
    """`codemode serve` with the key under test in a variable or in its file; everything beside it is in the file."""

    key: str
    where: Where
    name: str
    folder: Path

    @contextmanager
    def __call__(self, settings: Settings, **more: str) -> Iterator[Served]:
        with self._begin(settings, more) as process:
            assert process.stdout
            log = Log(process.stdout)
            try:
                assert log.says(" serving address=", 60), log()
                yield Served(process, log, log().partition(" serving address=")[2].split()[0])
            finally:
                process.terminate()
                try:
                    process.wait(30)
                finally:
                    process.kill()

    def refusal(self, settings: Settings) -> str:
        with self._begin(settings, {}) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode in (64, 69), said
        return said.decode()

    def _begin(self, settings: Settings, more: dict[str, str]) -> subprocess.Popen[bytes]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        in_file = {self.name if key == self.key else key: value for key, value in settings.items()}
        if self.where == "variable" and self.key in settings:
            value = in_file.pop(self.name)
            more = {self.name: as_variable(self.name, value, folder), **more}
        (folder / "codemode.yaml").write_text(json.dumps(nested(in_file)))
        return subprocess.Popen(
            [CODEMODE, "serve", "--config", "codemode.yaml"], cwd=folder, env=environment(**more),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


ANYWHERE: Settings = {"host": "127.0.0.1", "port": 0}


def host(serve: Serve) -> None:
    with serve({"host": "127.0.0.2", "port": 0}) as served:
        assert served.address.startswith("127.0.0.2:") and answers(served.client())


def port(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    with serve({"port": number}) as served:
        assert served.address == f"127.0.0.1:{number}" and answers(served.client())


def listen(serve: Serve) -> None:
    with tempfile.TemporaryDirectory(prefix="cm-") as short, serve({"listen": f"unix:{short}/s"}) as served:
        assert served.address == f"unix:{short}/s" and answers(served.client())


def api_key(serve: Serve) -> None:
    """A key from before holds besides the one that came after it."""
    more = {"CODEMODE_API_KEY": "the-new-one"} if "PREVIOUS" in serve.name else {}
    with serve({**ANYWHERE, "api_key": KEY}, **more) as served:
        assert answers(served.client(KEY))
        for wrong in (None, "another"):
            with served.client(wrong) as stranger, pytest.raises(AuthenticationError):
                stranger.execute("1")
        if more:
            assert answers(served.client("the-new-one"))
    if serve.where == "file":
        with serve({**ANYWHERE, "api_key": [KEY, "the-new-one"]}) as served:
            assert answers(served.client(KEY)) and answers(served.client("the-new-one"))


def log_level(serve: Serve) -> None:
    for level, told in (("debug", True), ("info", False)):
        with serve({**ANYWHERE, "log_level": level}) as served:
            assert answers(served.client())
            served.process.terminate()
            assert served.log.says(" stopped", 60)
            assert ("execution admitted" in served.log()) == told


def drain_timeout(serve: Serve) -> None:
    """What runs may go on for a while after the executor was told to stop: not for the 30 seconds of the default, nor
    for the 60 that the code would take.
    """
    runs, ended = threading.Event(), []

    def run(codemode: Codemode) -> None:
        try:
            ended.append(codemode.execute("tools['runs'].run()\nimport time\ntime.sleep(60)", 90).outcome)
        except CodemodeError as error:
            ended.append(type(error).__name__)

    policy = {"limits.code_timeout": 90, "limits.total_timeout": 90}
    with serve({**ANYWHERE, **policy, "drain_timeout": 0.2}) as served, served.client(runs=runs.set) as codemode:
        thread = threading.Thread(target=run, args=(codemode,))
        thread.start()
        assert runs.wait(60)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
        thread.join(60)
    assert ended == ["interrupted"]


def audit(serve: Serve) -> None:
    log = Path(tempfile.mkdtemp(dir=serve.folder)) / "audit.jsonl"
    with serve({**ANYWHERE, "audit": str(log)}) as served, served.client() as codemode:
        execution_id = codemode.execute("1").execution_id
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines if line.get("execution_id") == execution_id] == ["start", "end"]
    with serve({**ANYWHERE, "audit": "stdout"}) as served, served.client() as codemode:
        assert served.log.says(codemode.execute("1").execution_id, 60)


# --- TLS


class Files:
    """Certificates of both sides, by an authority of their own."""

    def __init__(self, folder: Path) -> None:
        self.ours = Authority(Path(tempfile.mkdtemp(dir=folder)))
        self.pair = {"tls.cert_file": str(self.ours.server.cert), "tls.key_file": str(self.ours.server.key)}
        self.authority = {"tls.ca_file": str(self.ours.bundle)}

    @property
    def known(self) -> Settings:
        """Of a client that shows its certificate."""
        return self.ours.trusted | self.ours.client.client


def lets_in(served: Served, tls: Settings) -> bool:
    with served.client(tls=tls) as codemode:
        try:
            return codemode.execute("1").success
        except AuthenticationError:
            return False


def tls_enabled(serve: Serve) -> None:
    files = Files(serve.folder)
    with serve({**ANYWHERE, **files.pair, "tls.enabled": True}) as served:
        assert lets_in(served, files.ours.trusted)
        with served.client() as codemode, pytest.raises(ExecutorConnectionError, match="TLS"):
            codemode.execute("1")
    assert "tls.cert_file: is missing" in serve.refusal({**ANYWHERE, "tls.enabled": True})
    assert "tls.cert_file: has no effect" in serve.refusal({**ANYWHERE, **files.pair, "tls.enabled": False})


def tls_server_files(serve: Serve) -> None:
    """Naming the files is enough; each needs the other."""
    files = Files(serve.folder)
    with serve({**ANYWHERE, **files.pair}) as served:
        assert lets_in(served, files.ours.trusted)
    other = next(key for key in files.pair if key != serve.key)
    assert f"{other}: is missing" in serve.refusal({**ANYWHERE, serve.key: files.pair[serve.key]})


def tls_ca_file(serve: Serve) -> None:
    files = Files(serve.folder)
    with serve({**ANYWHERE, **files.pair, **files.authority}) as served:
        assert lets_in(served, files.known) and not lets_in(served, files.ours.trusted)


def tls_mode(serve: Serve) -> None:
    """`custom`: the file's authorities vouch for clients; `system`: those of this machine."""
    files = Files(serve.folder)
    custom = {**ANYWHERE, **files.pair, **files.authority, "tls.mode": "custom"}
    with serve(custom) as served:
        assert lets_in(served, files.known) and not lets_in(served, files.ours.trusted)
    system = {**ANYWHERE, **files.pair, "tls.require_client_auth": True, "tls.mode": "system"}
    with serve(system, SSL_CERT_FILE=str(files.ours.bundle)) as served:
        assert lets_in(served, files.known) and not lets_in(served, files.ours.trusted)
    assert "tls.ca_file: has no effect" in serve.refusal({**system, **files.authority})


def tls_require_client_auth(serve: Serve) -> None:
    files = Files(serve.folder)
    for demanded in (True, False):
        with serve({**ANYWHERE, **files.pair, **files.authority, "tls.require_client_auth": demanded}) as served:
            assert lets_in(served, files.known) and lets_in(served, files.ours.trusted) == (not demanded)


def tls_required(serve: Serve) -> None:
    """A port for other machines is not opened without TLS; one for this machine is."""
    open_to_all = {"host": "0.0.0.0", "port": 0, "api_key": KEY, "tls.required": True}
    assert "tls.required" in serve.refusal(open_to_all)
    with serve({**ANYWHERE, "tls.required": True}) as served:
        assert answers(served.client())


# --- the policy's keys that have a variable


def code_timeout(serve: Serve) -> None:
    with serve({**ANYWHERE, "limits.code_timeout": 1}) as served, served.client() as codemode:
        assert codemode.execute("import time\ntime.sleep(600)").outcome == "timeout"
        (warning,) = codemode.execute("1", execution_timeout=60).warnings
        assert "code_timeout" in warning and "1 s" in warning


def memory_limit(serve: Serve) -> None:
    with serve({**ANYWHERE, "limits.memory_limit": "96m"}) as served, served.client() as codemode:
        assert codemode.execute("len(bytearray(b'x') * (48 << 20))").result == 48 << 20
        assert codemode.execute("len(bytearray(b'x') * (120 << 20))").outcome == "memory_limit"


EFFECTS: dict[str, Callable[[Serve], None]] = {
    "host": host,
    "port": port,
    "listen": listen,
    "api_key": api_key,
    **callback_effects.EFFECTS,
    "log_level": log_level,
    "drain_timeout": drain_timeout,
    "audit": audit,
    "tls.enabled": tls_enabled,
    "tls.mode": tls_mode,
    "tls.cert_file": tls_server_files,
    "tls.key_file": tls_server_files,
    "tls.ca_file": tls_ca_file,
    "tls.require_client_auth": tls_require_client_auth,
    "tls.required": tls_required,
}
# By a variable; in a file, `policy_effects` has them.
OF_THE_POLICY: dict[str, Callable[[Serve], None]] = {
    "limits.code_timeout": code_timeout,
    "limits.memory_limit": memory_limit,
}
