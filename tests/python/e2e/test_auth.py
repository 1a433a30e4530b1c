"""Who may run code: gRPC through the client, HTTP through the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from codemode import AuthenticationError, ClientConfig, Codemode, ExecutorConnectionError, __version__
from e2e import processes
from e2e.daemon import KEY, Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


def client(daemon: Daemon, key: str | None) -> Codemode:
    return Codemode.from_client_config(ClientConfig(executor_url=daemon.url, executor_api_key=key))


def test_the_right_key_over_grpc(daemon: Daemon) -> None:
    with client(daemon, KEY) as codemode:
        assert codemode.execute("2 + 2").result == 4
        assert codemode.health_check() and codemode.ready_check()


@pytest.mark.parametrize("key", [None, "", "wrong", KEY[:-1], KEY + "0", KEY.upper()], ids=repr)
def test_a_wrong_key_over_grpc(daemon: Daemon, key: str | None) -> None:
    with client(daemon, key or None) as codemode, pytest.raises(AuthenticationError) as caught:
        codemode.execute("2 + 2")
    assert caught.value.code == "unauthenticated" and not caught.value.retryable
    assert KEY not in str(caught.value) and __version__ not in str(caught.value)


def test_the_right_key_over_http(daemon: Daemon) -> None:
    status, body = daemon.http("/v1/executions", {"code": "print('out')\n2**70"}, key=KEY)
    assert status == 200, body
    answer = json.loads(body)
    assert answer["outcome"] == "ok" and answer["stdout"] == "out\n" and answer["exit_code"] == 0
    assert str(2**70) in body.decode()


@pytest.mark.parametrize("key", [None, "wrong", KEY[:-1], KEY + "0"], ids=repr)
@pytest.mark.parametrize("path", ["/v1/executions", "/v1/anything"])
def test_a_wrong_key_over_http(daemon: Daemon, path: str, key: str | None) -> None:
    status, body = daemon.http(path, {"code": "2 + 2"}, key=key)
    assert status == 401
    text = body.decode()
    for secret in (KEY, __version__, "landlock", "full", "container", "python", "rust"):
        assert secret not in text.lower()


def test_health_needs_no_key_and_says_little(daemon: Daemon) -> None:
    for path in ("/healthz", "/readyz"):
        status, body = daemon.http(path)
        assert status == 200 and len(body) < 200 and __version__ not in body.decode()


def test_bad_requests_over_http(daemon: Daemon) -> None:
    assert daemon.http("/v1/executions", {"code": ""}, key=KEY)[0] in (400, 422)
    assert daemon.http("/v1/executions", {"cod": "1"}, key=KEY)[0] in (400, 422)
    assert daemon.http("/v1/executions", ["1"], key=KEY)[0] in (400, 422)
    status, body = daemon.http("/v1/executions", {"code": "x" * 60_000}, key=KEY)
    assert status in (400, 413, 422) and b"code_too_long" in body
    assert daemon.http("/v1/executions", {"code": "1"}, key=KEY)[0] == 200


def test_a_failure_of_the_code_is_an_answer_over_http(daemon: Daemon) -> None:
    status, body = daemon.http("/v1/executions", {"code": "1 / 0"}, key=KEY)
    answer = json.loads(body)
    assert (status, answer["outcome"], answer["exit_code"]) == (200, "error", 1)
    assert answer["error"]["error_type"] == "ZeroDivisionError"


def test_nothing_ran_for_a_wrong_key(daemon: Daemon) -> None:
    before = processes.at_rest(daemon.pid)
    for _ in range(5):
        daemon.http("/v1/executions", {"code": "open('/sandbox/x', 'w')"}, key="wrong")
    assert set(before) <= set(processes.descendants(daemon.pid)), "a parked sandbox was used"


def test_the_key_is_nowhere_in_the_sandbox(daemon: Daemon) -> None:
    code = f"""
import gc, os
first, second = {KEY[:9]!r}, {KEY[9:]!r}
key = first + second
found = [name for name, value in os.environ.items() if key in value]
for path in ('/proc/self/environ', '/proc/self/cmdline', '/proc/1/environ', '/proc/1/cmdline'):
    try:
        if key.encode() in open(path, 'rb').read(): found.append(path)
    except OSError: pass
found
"""
    with client(daemon, KEY) as codemode:
        result = codemode.execute(code)
        assert result.result == [], str(result)


def test_without_a_key_only_loopback(tmp_path: Path) -> None:
    with Daemon(tmp_path, key=None) as open_daemon:
        assert open_daemon.http("/v1/executions", {"code": "2 + 2"})[0] == 200


def test_an_executor_that_is_not_there() -> None:
    config = ClientConfig(executor_url="grpc://127.0.0.1:1", executor_api_key=KEY)
    with Codemode.from_client_config(config) as codemode:
        assert codemode.health_check() is False
        with pytest.raises(ExecutorConnectionError):
            codemode.execute("1")
