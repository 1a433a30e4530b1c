"""What each of the client's own keys does, in whatever way it is given."""

from __future__ import annotations

import json
import logging
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pytest

from codemode import (
    AuthenticationError,
    ClientConfig,
    Codemode,
    ComponentRegistry,
    ConfigError,
    ExecutorConnectionError,
    ExecutorOverloaded,
    ExecutorTimeoutError,
)
from conformance.executors import nested
from e2e.daemon import KEY, Daemon
from e2e.test_tls_client import Authority

Settings = dict[str, Any]


class World:
    """The executors that the effects need, each started once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def close(self) -> None:
        self._stack.close()

    @cached_property
    def plain(self) -> Daemon:
        return self._stack.enter_context(Daemon(self.new_folder()))

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.new_folder())

    @cached_property
    def secure(self) -> Daemon:
        return self._speaking_tls()

    @cached_property
    def mutual(self) -> Daemon:
        """It lets nobody in who shows no certificate."""
        return self._speaking_tls(ca_file=str(self.authority.bundle))

    def _speaking_tls(self, **more: str) -> Daemon:
        pair = self.authority.server
        tls = {"cert_file": str(pair.cert), "key_file": str(pair.key), **more}
        return self._stack.enter_context(Daemon(self.new_folder(), {"tls": tls}))

    @cached_property
    def busy(self) -> Busy:
        return self._stack.enter_context(_busy(self.new_folder()))


@dataclass
class Busy:
    """An executor whose only place is taken. It writes down whom it refused, and when."""

    daemon: Daemon
    audit: Path

    def attempts(self, codemode: Codemode) -> list[datetime]:
        before = len(self._refusals("overloaded"))
        with codemode, pytest.raises(ExecutorOverloaded):
            codemode.execute("1")
        self._wait_for_the_log()
        return self._refusals("overloaded")[before:]

    def _wait_for_the_log(self) -> None:
        """Lines keep their order: once a stranger's is there, those before it are as well."""
        before = len(self._refusals("unauthenticated"))
        assert self.daemon.http("/v1/executions", {"code": "1"}, key="another")[0] == 401
        while len(self._refusals("unauthenticated")) == before:
            pass

    def _refusals(self, reason: str) -> list[datetime]:
        complete, _, _ = self.audit.read_text().rpartition("\n")
        lines = map(json.loads, complete.splitlines())
        return [datetime.fromisoformat(line["time"][:-1]) for line in lines if line.get("reason") == reason]


@contextmanager
def _busy(folder: Path) -> Iterator[Busy]:
    runs, over = threading.Event(), threading.Event()

    def hold() -> None:
        runs.set()
        over.wait(120)

    registry = ComponentRegistry()
    registry.register_tool("hold", hold, description="Returns when the tests are over.")
    policy = {"max_concurrent_executions": 1, "queue": 0, "audit": str(folder / "audit.jsonl")}
    with Daemon(folder, policy) as daemon:
        config = ClientConfig(executor_url=daemon.url, executor_api_key=KEY)  # type: ignore[arg-type]
        with Codemode(config, registry=registry) as codemode:
            thread = threading.Thread(target=codemode.execute, args=("tools['hold'].run()",))
            thread.start()
            try:
                assert runs.wait(60)
                yield Busy(daemon, folder / "audit.jsonl")
            finally:
                over.set()
                thread.join(60)


@dataclass(frozen=True)
class Give:
    """How the key under test is given, and by which name; everything beside it goes the same way."""

    key: str
    where: Literal["argument", "file", "variable"]
    name: str
    world: World
    environment: pytest.MonkeyPatch

    def __call__(self, settings: Settings) -> Codemode:
        named = {self.name if key == self.key else key: value for key, value in settings.items()}
        if self.where == "argument":
            return Codemode.from_dict(nested(named))
        folder = self.world.new_folder()
        if self.where == "file":
            (folder / "codemode.yaml").write_text(json.dumps(nested(named)))
            return Codemode.from_config(folder / "codemode.yaml")
        with self.environment.context() as only_here:
            for name, value in named.items():
                variable = name if name == self.name else VARIABLES[name]
                only_here.setenv(variable, as_variable(variable, value, folder))
            return Codemode.from_env()

    def remote(self, daemon: Daemon, settings: Settings, scheme: str = "grpc") -> Codemode:
        url = f"{scheme}://127.0.0.1:{daemon.port}"
        return self({"executor_url": url, "executor_api_key": KEY, **settings})


def as_variable(name: str, value: Any, folder: Path) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if "API_KEY" not in name or not name.endswith("_FILE"):
        return text
    (folder / "secret").write_text(f"{text}\n")
    return str(folder / "secret")


# Of the settings that stand beside the one under test.
VARIABLES = {
    "executor_url": "CODEMODE_EXECUTOR_URL",
    "executor_api_key": "CODEMODE_EXECUTOR_API_KEY",
    "retry.max_attempts": "CODEMODE_RETRY_MAX_ATTEMPTS",
    "retry.backoff_base_ms": "CODEMODE_RETRY_BACKOFF_BASE_MS",
    "retry.backoff_max_ms": "CODEMODE_RETRY_BACKOFF_MAX_MS",
    "tls.ca_file": "CODEMODE_TLS_CA_FILE",
    "tls.client_cert_file": "CODEMODE_TLS_CLIENT_CERT_FILE",
    "tls.client_key_file": "CODEMODE_TLS_CLIENT_KEY_FILE",
    "observability.correlation_id_prefix": "CODEMODE_CORRELATION_ID_PREFIX",
}


def answers(codemode: Codemode) -> bool:
    with codemode:
        return bool(codemode.execute("2 + 2").result == 4)


def executor_url(give: Give) -> None:
    assert answers(give.remote(give.world.plain, {}))
    with give({"executor_url": "grpc://127.0.0.1:1"}) as nobody, pytest.raises(ExecutorConnectionError, match=r":1\b"):
        nobody.execute("1")


def executor_api_key(give: Give) -> None:
    assert answers(give.remote(give.world.plain, {}))
    stranger = give.remote(give.world.plain, {"executor_api_key": "another"})
    with stranger, pytest.raises(AuthenticationError):
        stranger.execute("1")


def timeout(give: Give) -> None:
    """An executor that never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {"executor_url": f"http://127.0.0.1:{silent.getsockname()[1]}", "retry.max_attempts": 1}
        with give({**settings, "timeout": 1}) as codemode, pytest.raises(ExecutorTimeoutError, match=r"for 1 s\b"):
            codemode.execute("1")


def max_code_length(give: Give) -> None:
    with give.remote(give.world.plain, {"max_code_length": 10}) as codemode:
        assert codemode.execute("1".ljust(10)).result == 1
        refused = codemode.execute("1".ljust(11))
        assert refused.outcome == "rejected" and "10" in str(refused)
    with give.remote(give.world.plain, {"max_code_length": 60_000}) as codemode:
        assert any("max_code_length" in warning for warning in codemode.execute("1").warnings), "it only lowers"


def _attempts(give: Give, settings: Settings) -> list[datetime]:
    return give.world.busy.attempts(give.remote(give.world.busy.daemon, settings))


def retry_enabled(give: Give) -> None:
    assert len(_attempts(give, {"retry.enabled": False})) == 1
    assert len(_attempts(give, {"retry.enabled": True})) == 3


def retry_max_attempts(give: Give) -> None:
    assert len(_attempts(give, {"retry.max_attempts": 2})) == 2


def retry_backoff_base_ms(give: Give) -> None:
    """Half of a pause is random: the first is at least half of what is asked for. The default's is 100 ms at most."""
    first, second = _attempts(give, {"retry.backoff_base_ms": 800, "retry.max_attempts": 2})
    assert (second - first).total_seconds() >= 0.4


def retry_backoff_max_ms(give: Give) -> None:
    """With the default the nine pauses are 16 seconds at least, and here 0.9 at most."""
    times = _attempts(give, {"retry.backoff_max_ms": 100, "retry.max_attempts": 10})
    assert len(times) == 10 and (times[-1] - times[0]).total_seconds() < 16


def tls_enabled(give: Give) -> None:
    """It has to agree with the address, which says the same."""
    trusted = {"tls.ca_file": str(give.world.authority.bundle)}
    assert answers(give.remote(give.world.secure, {**trusted, "tls.enabled": True}, "grpcs"))
    with pytest.raises(ConfigError, match=re.escape(give.name)):
        give.remote(give.world.plain, {"tls.enabled": True})
    with pytest.raises(ConfigError, match=re.escape(give.name)):
        give.remote(give.world.secure, {**trusted, "tls.enabled": False}, "https")


def tls_mode(give: Give) -> None:
    trusted = {"tls.ca_file": str(give.world.authority.bundle)}
    assert answers(give.remote(give.world.secure, {**trusted, "tls.mode": "custom"}, "https"))
    with pytest.raises(ConfigError, match=r"(?i)ca_file"):
        give.remote(give.world.secure, {"tls.mode": "custom"}, "https")
    system = {"tls.mode": "system", "retry.max_attempts": 1}
    with pytest.raises(ConfigError, match=r"(?i)ca_file"):
        give.remote(give.world.secure, {**trusted, **system}, "https")
    with give.environment.context() as only_here:
        only_here.setenv("SSL_CERT_FILE", str(give.world.authority.bundle))
        only_here.delenv("SSL_CERT_DIR", raising=False)
        assert answers(give.remote(give.world.secure, system, "https"))
    with give.remote(give.world.secure, system, "https") as codemode, pytest.raises(ExecutorConnectionError):
        codemode.execute("1")


def tls_ca_file(give: Give) -> None:
    assert answers(give.remote(give.world.secure, {"tls.ca_file": str(give.world.authority.bundle)}, "https"))
    other = Authority(give.world.new_folder()).bundle
    distrustful = give.remote(give.world.secure, {"tls.ca_file": str(other)}, "https")
    with distrustful, pytest.raises(ExecutorConnectionError, match="comes from no CA"):
        distrustful.execute("1")


def tls_client_certificate(give: Give) -> None:
    authority = give.world.authority
    trusted = {"tls.ca_file": str(authority.bundle)}
    pair = {"tls.client_cert_file": str(authority.client.cert), "tls.client_key_file": str(authority.client.key)}
    assert answers(give.remote(give.world.mutual, {**trusted, **pair}, "https"))
    with give.remote(give.world.mutual, trusted, "https") as codemode, pytest.raises(AuthenticationError):
        codemode.execute("1")
    with pytest.raises(ConfigError, match="belong together"):
        give.remote(give.world.mutual, {**trusted, give.key: pair[give.key]}, "https")


def log_level(give: Give) -> None:
    logger = logging.getLogger("codemode")
    before = logger.level
    try:
        for level in ("ERROR", "DEBUG"):
            give.remote(give.world.plain, {"observability.log_level": level}).close()
            assert logging.getLevelName(logger.level) == level
    finally:
        logger.setLevel(before)


def include_correlation_id(give: Give) -> None:
    """Without it the executor makes one, which knows nothing of the client's prefix."""
    for included, prefix in ((True, "shop"), (False, "cm")):
        settings = {"observability.include_correlation_id": included, "observability.correlation_id_prefix": "shop"}
        with give.remote(give.world.plain, settings) as codemode:
            assert re.fullmatch(rf"{prefix}-[0-9a-z]{{6}}-[0-9a-z]{{4}}", codemode.execute("1").correlation_id)


def correlation_id_prefix(give: Give) -> None:
    with give.remote(give.world.plain, {"observability.correlation_id_prefix": "shop"}) as codemode:
        assert re.fullmatch(r"shop-[0-9a-z]{6}-[0-9a-z]{4}", codemode.execute("1").correlation_id)


def traceback_limit(give: Give) -> None:
    code = "def f(): g()\ndef g(): h()\ndef h(): 1 / 0\nf()"
    for limit, frames in ((2, 2), (0, 0), (50, 4)):
        with give.remote(give.world.plain, {"observability.traceback_limit": limit}) as codemode:
            error = codemode.execute(code).error
            assert error and error.traceback.count("  File ") == frames and error.message == "division by zero"


def audit(give: Give) -> None:
    """Of the client's own executor."""
    log = give.world.new_folder() / "audit.jsonl"
    with give({"audit": str(log)}) as codemode:
        execution_id = codemode.execute("1").execution_id
    ours = [line for line in map(json.loads, log.read_text().splitlines()) if line.get("execution_id") == execution_id]
    assert [line["event"] for line in ours] == ["start", "end"]


EFFECTS: dict[str, Callable[[Give], None]] = {
    "executor_url": executor_url,
    "executor_api_key": executor_api_key,
    "timeout": timeout,
    "max_code_length": max_code_length,
    "retry.enabled": retry_enabled,
    "retry.max_attempts": retry_max_attempts,
    "retry.backoff_base_ms": retry_backoff_base_ms,
    "retry.backoff_max_ms": retry_backoff_max_ms,
    "tls.enabled": tls_enabled,
    "tls.mode": tls_mode,
    "tls.ca_file": tls_ca_file,
    "tls.client_cert_file": tls_client_certificate,
    "tls.client_key_file": tls_client_certificate,
    "observability.log_level": log_level,
    "observability.include_correlation_id": include_correlation_id,
    "observability.correlation_id_prefix": correlation_id_prefix,
    "observability.traceback_limit": traceback_limit,
    "audit": audit,
}
