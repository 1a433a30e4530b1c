"""Each outcome and each refusal, provoked by the program that the contract names."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import codemode as package
from codemode import ClientConfig, Codemode, ComponentRegistry, ExecutionResult
from conformance import contract_outcomes
from conformance.apart import the_documents_are_there  # noqa: F401
from conformance.contract_outcomes import ENDINGS, REFUSALS, Ending, Refusal
from conformance.executors import Executors
from conformance.serving import environment
from e2e import processes
from e2e.conftest import token  # noqa: F401
from e2e.daemon import CODEMODE, KEY, Daemon
from e2e.test_limits import NAME


def test_every_word_of_the_product_is_here() -> None:
    assert sorted({ending.outcome for ending in ENDINGS}) == sorted(contract_outcomes.outcomes_of_the_product())
    assert [refusal.code for refusal in REFUSALS] == contract_outcomes.refusals_of_the_product()


class Tools:
    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.registry = ComponentRegistry()
        self.registry.register_tool("hang", self._hang, description="Does not return.")
        self.registry.register_tool("begun", self.begun.set, description="Says that the code runs.")

    def _hang(self) -> None:
        self.begun.set()
        self.over.wait(60)


@pytest.fixture
def tools() -> Iterator[Tools]:
    made = Tools()
    yield made
    made.over.set()


def ending(result: ExecutionResult) -> tuple[str, str | None, int | None]:
    return result.outcome, result.error.error_type if result.error else None, result.exit_code


def name_of(ending: Ending) -> str:
    first = ending.program.replace("\n", " ")[:40]
    return f"{ending.outcome}: {first}"


@pytest.fixture(scope="module")
def executors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executors]:
    made = Executors("client", tmp_path_factory.mktemp("outcomes"))
    yield made
    made.close()


@pytest.mark.parametrize("expected", [it for it in ENDINGS if it.how == "runs"], ids=name_of)
def test_an_execution_ends(expected: Ending, executors: Executors) -> None:
    codemode = executors(dict(expected.policy))
    with executors.hanging():
        result = codemode.execute(expected.program)
    assert ending(result) == (expected.outcome, expected.error_type, expected.exit_code), str(result)
    assert result.success == (expected.outcome == "ok")
    assert codemode.execute("2").result == 2, "and the next one runs"


def wait_until_named(name: str) -> None:
    deadline = time.monotonic() + 60
    while not processes.named(name):
        assert time.monotonic() < deadline


def of(how: contract_outcomes.How) -> Ending:
    (found,) = (ending for ending in ENDINGS if ending.how == how)
    return found


def test_an_execution_whose_caller_leaves(token: str) -> None:  # noqa: F811
    """Ctrl-C, as a person presses it at `codemode run`."""
    expected = of("its caller leaves")
    process = subprocess.Popen(
        [CODEMODE, "run", "--json", "-"], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin and process.stdout
        process.stdin.write(NAME.format(token=token) + expected.program)
        process.stdin.close()
        wait_until_named(token)
        process.send_signal(signal.SIGINT)
        told = json.loads(process.stdout.read())
    assert process.returncode == expected.exit_code
    assert (told["outcome"], told["error"]["error_type"], told["exit_code"]) == (
        expected.outcome, expected.error_type, expected.exit_code,
    )  # fmt: skip


def remote(daemon: Daemon, tools: Tools | None = None, key: str = KEY, **policy: Any) -> Codemode:
    settings = {"executor_url": daemon.url, "executor_api_key": key, "retry": {"enabled": False}, **policy}
    return Codemode(ClientConfig.from_dict(settings), registry=tools.registry if tools else None)


@contextmanager
def running(codemode: Codemode, tools: Tools, program: str) -> Iterator[list[ExecutionResult]]:
    """While it lasts, the program runs; afterwards its result is there."""
    results: list[ExecutionResult] = []
    thread = threading.Thread(target=lambda: results.append(codemode.execute(program)))
    thread.start()
    try:
        assert tools.begun.wait(60)
        yield results
    finally:
        tools.over.set()
        thread.join(60)


def test_an_execution_whose_executor_stops(tools: Tools, tmp_path: Path) -> None:
    expected = of("its executor stops")
    with (
        Daemon(tmp_path, dict(expected.policy)) as daemon,
        remote(daemon, tools) as codemode,
        running(codemode, tools, expected.program) as results,
    ):
        assert daemon.stop() == 0
    assert ending(results[0]) == (expected.outcome, expected.error_type, expected.exit_code), str(results[0])


# --- refusals


class Refused:
    """What a caller is told, in Python and over HTTP."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def by_python(self, expected: Refusal, codemode: Codemode, code: str = "1") -> None:
        if expected.python == "Rejected":
            result = codemode.execute(code)
            assert ending(result) == (expected.outcome, "Rejected", None)
            assert str(result).startswith(f"Rejected: {expected.code}: "), str(result)
            return
        assert expected.python
        with pytest.raises(getattr(package, expected.python)) as caught:
            codemode.execute(code)
        assert (caught.value.code, caught.value.retryable) == (expected.code, expected.retryable), caught.value

    def by_http(self, expected: Refusal, key: str = KEY, **body: Any) -> None:
        status, answer = self.daemon.http("/v1/executions", {"code": "1", **body}, key=key)
        told = json.loads(answer)
        assert (status, told["status"]) == (expected.http, expected.http)
        assert (told["code"], told["outcome"], told["retryable"]) == (
            expected.code, expected.outcome, expected.retryable,
        )  # fmt: skip


def the(code: str) -> Refusal:
    (found,) = (refusal for refusal in REFUSALS if refusal.code == code)
    return found


def test_what_blames_the_request(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        refused = Refused(daemon)
        with remote(daemon) as codemode:
            with pytest.raises(package.ConfigError, match="correlation id"):
                codemode.execute("1", correlation_id="a b")
            refused.by_http(the("invalid_request"), correlation_id="a b")
            for code, program in (("invalid_code", ""), ("code_too_long", "1" * 50_001)):
                refused.by_python(the(code), codemode, program)
                refused.by_http(the(code), code=program)
        with remote(daemon, key="another") as codemode:
            refused.by_python(the("unauthenticated"), codemode)
            refused.by_http(the("unauthenticated"), key="another")
        with remote(daemon, limits={"memory_limit": "64Gi"}) as codemode:
            refused.by_python(the("policy"), codemode)


def test_what_blames_the_hour(tools: Tools, tmp_path: Path) -> None:
    """A full executor, then one that stops."""
    with Daemon(tmp_path, {"max_concurrent_executions": 1, "queue": 0}) as daemon, remote(daemon, tools) as codemode:
        refused = Refused(daemon)
        with running(codemode, tools, "tools['hang'].run()") as results:
            refused.by_python(the("overloaded"), codemode)
            refused.by_http(the("overloaded"))
            daemon.process.send_signal(signal.SIGTERM)
            while still_listens(daemon):
                pass
            refused.by_python(the("draining"), codemode)
        assert results[0].outcome == "ok", "what runs is not refused"


def still_listens(daemon: Daemon) -> bool:
    try:
        return daemon.http("/healthz")[0] == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def test_what_blames_the_executor(tmp_path: Path) -> None:
    """The trouble is noticed with the first line that cannot be written; that execution is answered all the same."""
    log = tmp_path / "audit.jsonl"
    with Daemon(tmp_path, {"audit": str(log)}) as daemon, remote(daemon) as codemode:
        assert codemode.execute("1").success
        log.rename(tmp_path / "kept")
        log.symlink_to("/dev/full")
        try:
            while codemode.execute("1").success:
                pass
        except package.ExecutionFailed:
            pass
        refused = Refused(daemon)
        refused.by_python(the("internal"), codemode)
        refused.by_http(the("internal"))
