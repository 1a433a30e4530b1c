"""Each row of the documents' tables, by its effect."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codemode import (
    AuthenticationError,
    ClientConfig,
    Codemode,
    ConfigError,
    ExecutionResult,
    ExecutorConnectionError,
    ExecutorTimeoutError,
)
from conformance.documents import Piece
from conformance.place import Place
from conformance.serving import PRINTED_PORT, where_the_port_is_free
from e2e.daemon import KEY, Daemon
from e2e.test_tls_client import Authority

Environment = pytest.MonkeyPatch


def plain(cell: str) -> str:
    return cell.strip("`")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("CODEMODE_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def answers(codemode: Codemode) -> bool:
    with codemode:
        return bool(codemode.execute("2 + 2").result == 4)


# --- methods


def _from_client_config(daemon: Daemon, _: Environment) -> None:
    config = ClientConfig(executor_url=daemon.url, executor_api_key=KEY)  # type: ignore[arg-type]
    assert answers(Codemode.from_client_config(config))


def _from_env(daemon: Daemon, environment: Environment) -> None:
    with environment.context() as only_here:
        only_here.setenv("CODEMODE_EXECUTOR_URL", daemon.url)
        only_here.setenv("CODEMODE_EXECUTOR_API_KEY", KEY)
        assert answers(Codemode.from_env())


def _execute(daemon: Daemon, _: Environment) -> None:
    config = ClientConfig(executor_url=daemon.url, executor_api_key=KEY)  # type: ignore[arg-type]
    with Codemode.from_client_config(config) as codemode:
        result = codemode.execute("print('out')\nresult = {'n': 2 + 2}")
    assert isinstance(result, ExecutionResult)
    assert (result.stdout, result.exit_code, result.result, str(result)) == ("out\n", 0, {"n": 4}, "{'n': 4}")


def _as_crewai_tool(_: Daemon, environment: Environment) -> None:
    """Without CrewAI; the crews of tests/frameworks/crewai have it."""
    with environment.context() as only_here, Codemode() as codemode:
        only_here.setitem(sys.modules, "crewai", None)
        with pytest.raises(ImportError, match=r"crewai>=.*Run: pip install 'codemode-runtime\[crewai\]'"):
            codemode.as_crewai_tool()


METHODS: dict[str, Callable[[Daemon, Environment], None]] = {
    "from_client_config(config)": _from_client_config,
    "from_env()": _from_env,
    "execute(code)": _execute,
    "as_crewai_tool()": _as_crewai_tool,
}


def test_key_methods(piece: Piece, daemon: Daemon, clean: Environment) -> None:
    assert [plain(row[0]) for row in piece.rows] == list(METHODS)
    for check in METHODS.values():
        check(daemon, clean)


# --- settings of the client


def test_client_settings(piece: Piece, daemon: Daemon, clean: Environment, tmp_path: Path) -> None:
    """Each setting as an argument of `ClientConfig`, and as a variable, has the same effect."""
    checks = {
        "executor_url": _executor_url,
        "executor_api_key": _executor_api_key,
        "timeout": _timeout,
        "tls_enabled": _tls_enabled,
    }
    assert [plain(row[0]) for row in piece.rows] == list(checks)
    for row in piece.rows:
        setting, variable = plain(row[0]), plain(row[1])
        for way in ("argument", "variable"):
            checks[setting](Settings(way, {setting: variable}, clean), daemon, tmp_path)


class Settings:
    """Makes clients whose settings come by arguments, or by variables; what fails is not tried again."""

    def __init__(self, way: str, variables: dict[str, str], environment: Environment) -> None:
        self._way, self._variables, self._environment = way, variables, environment

    def client(self, **settings: object) -> Codemode:
        if self._way == "argument":
            return Codemode.from_client_config(ClientConfig(**settings, retry={"enabled": False}))  # type: ignore[arg-type]
        with self._environment.context() as only_here:
            only_here.setenv("CODEMODE_RETRY_ENABLED", "false")
            for setting, value in settings.items():
                variable = self._variables.get(setting, f"CODEMODE_{setting.upper()}")
                only_here.setenv(variable, str(value))
            return Codemode.from_env()


def _executor_url(settings: Settings, daemon: Daemon, _: Path) -> None:
    assert answers(settings.client(executor_url=daemon.url, executor_api_key=KEY))
    nobody = settings.client(executor_url="http://127.0.0.1:1", executor_api_key=KEY)
    with nobody, pytest.raises(ExecutorConnectionError, match=r"127\.0\.0\.1:1\b"):
        nobody.execute("2 + 2")


def _executor_api_key(settings: Settings, daemon: Daemon, _: Path) -> None:
    assert answers(settings.client(executor_url=daemon.url, executor_api_key=KEY))
    with (
        settings.client(executor_url=daemon.url, executor_api_key="another") as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.execute("2 + 2")


def _timeout(settings: Settings, _: Daemon, __: Path) -> None:
    """An executor that never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        patient = settings.client(executor_url=url, executor_api_key=KEY, timeout=1)
        with patient, pytest.raises(ExecutorTimeoutError, match=r"for 1 s\b"):
            patient.execute("2 + 2")


def _tls_enabled(settings: Settings, daemon: Daemon, folder: Path) -> None:
    """Where the URL says something else, that is an error; the file for `tls_cert_path` is the server's authority."""
    with pytest.raises(ConfigError, match=r"(?is)executor_url.*tls_enabled"):
        settings.client(executor_url=f"http://127.0.0.1:{daemon.port}", executor_api_key=KEY, tls_enabled=True)
    authority = Authority(folder)
    pair = authority.server
    secure = Daemon(folder, CODEMODE_TLS_CERT_FILE=str(pair.cert), CODEMODE_TLS_KEY_FILE=str(pair.key))
    with secure:
        url = f"https://127.0.0.1:{secure.port}"
        given = {"executor_url": url, "executor_api_key": KEY, "tls_cert_path": str(authority.bundle)}
        assert answers(settings.client(**given, tls_enabled=True))
        with pytest.raises(ConfigError, match=r"(?i)tls_enabled is false"):
            settings.client(executor_url=url, executor_api_key=KEY, tls_enabled=False)


# --- settings of the executor


def test_sidecar_settings(piece: Piece, tmp_path: Path) -> None:
    checks = {
        "API Key": _api_key,
        "Port": _port,
        "Max Execution Time": _max_exec_time,
        "Memory Limit": _memory_limit,
    }
    assert [row[0] for row in piece.rows] == list(checks)
    for name, variable, description in piece.rows:
        checks[name](plain(variable), description, tmp_path)


def _client(daemon: Daemon, key: str = KEY) -> Codemode:
    return Codemode.from_client_config(ClientConfig(executor_url=daemon.url, executor_api_key=key))  # type: ignore[arg-type]


def _api_key(variable: str, _: str, folder: Path) -> None:
    with Daemon(folder, None, None, **{variable: "secret"}) as daemon:
        assert answers(_client(daemon, "secret"))
        with _client(daemon, "another") as stranger, pytest.raises(AuthenticationError):
            stranger.execute("2 + 2")


def _port(variable: str, description: str, folder: Path) -> None:
    assert f"default: {PRINTED_PORT}" in description
    with where_the_port_is_free(folder) as where:
        with socket.create_server(("127.0.0.1", 0)) as free:
            other = free.getsockname()[1]
        for port, given in ((PRINTED_PORT, {}), (other, {variable: str(other)})):
            with where.serve(folder, **given) as log:
                assert f"serving address=127.0.0.1:{port}" in log()


def _max_exec_time(variable: str, _: str, folder: Path) -> None:
    with Daemon(folder, None, KEY, **{variable: "1"}) as daemon, _client(daemon) as codemode:
        assert codemode.execute("import time\ntime.sleep(600)").outcome == "timeout"
        (warning,) = codemode.execute("1", execution_timeout=60).warnings
        assert "code_timeout" in warning and "1 s" in warning


def _memory_limit(variable: str, _: str, folder: Path) -> None:
    with Daemon(folder, None, KEY, **{variable: "96m"}) as daemon, _client(daemon) as codemode:
        assert codemode.execute("len(bytearray(b'x') * (48 << 20))").result == 48 << 20
        assert codemode.execute("len(bytearray(b'x') * (120 << 20))").outcome == "memory_limit"


# --- which way an operation takes


OPERATIONS = {
    "File read/write": ("Direct", "open('/sandbox/x', 'w').write(open('/workspace/data.txt').read())"),
    "System commands": ("Direct", "import subprocess\nsubprocess.run(['ls', '/workspace'], check=True)"),
    "API calls": ("Proxied", "tools['weather'].run(location='NYC')"),
    "Database queries": ("Proxied", "tools['database'].run(query='SELECT * FROM users')"),
}


def test_direct_and_proxied_operations(piece: Piece, basic: Place) -> None:
    assert {operation: mode for operation, mode, _ in piece.rows} == {
        operation: mode for operation, (mode, _) in OPERATIONS.items()
    }
    for mode, code in OPERATIONS.values():
        assert bool(basic.run(code).tool_calls) == (mode == "Proxied"), code
