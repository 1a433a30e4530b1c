"""Plain code through the unmodified client: results, output, errors, limits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import grpc
import pytest

from codemode import Codemode
from codemode.config import ClientConfig
from codemode.core.executor_client import (
    ExecutorClient,
    ExecutorClientError,
    ExecutorConnectionError,
)
from frameworks.opencodemode.application import Application
from frameworks.opencodemode.executor import KEY, Executor


def test_a_result(codemode: Codemode) -> None:
    assert codemode.health_check() and codemode.ready_check()
    assert codemode.execute("result = 2 + 2") == "4"
    assert asyncio.run(codemode.execute_async("result = {'a': [1, None, True]}")) == '{"a": [1, null, true]}'
    assert codemode.execute("x = 1") == "Execution successful"


def test_what_a_result_tells(client: ExecutorClient) -> None:
    done = client.execute(
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nresult = 'x'", [], {}, correlation_id="c-7"
    )
    assert (done.success, done.result, done.stdout, done.stderr) == (True, '"x"', "out\n", "err\n")
    assert (done.error, done.correlation_id) == (None, "c-7")


def test_the_asynchronous_client(executor: Executor) -> None:
    async def run() -> list[str | None]:
        async with ExecutorClient(executor.url, KEY) as client:
            done = await asyncio.gather(*(client.execute_async(f"result = {n}", [], {}) for n in range(3)))
            return [each.result for each in done]

    assert asyncio.run(run()) == ["0", "1", "2"]


def test_integers_of_a_result_are_exact(client: ExecutorClient) -> None:
    done = client.execute("result = [2**53 + 1, -2**63, 2**200, 0.1, (1, 2)]", [], {})
    assert json.loads(done.result or "") == [2**53 + 1, -(2**63), 2**200, 0.1, [1, 2]]


def test_an_error_names_its_line(client: ExecutorClient, codemode: Codemode) -> None:
    done = client.execute("x = 1\nprint('before')\n{}['y']\n", [], {})
    assert (done.success, done.result, done.stdout) == (False, None, "before\n")
    assert done.error == "KeyError: 'y' (line 3)"
    assert 'File "<code>", line 3, in <module>' in done.stderr
    assert codemode.execute("def broken(:\n    pass").startswith("ERROR: SyntaxError: ")
    assert codemode.execute("") == "ERROR: Rejected: the code is empty"


def test_the_configuration_reaches_the_code(client: ExecutorClient) -> None:
    done = client.execute(
        "result = [config['retries'], config['on'], config['none'], config]",
        [],
        {"retries": 3, "on": True, "none": None},
    )
    assert json.loads(done.result or "") == [3, True, None, {"retries": 3, "on": True, "none": None}]


def test_limits_of_a_request_only_lower(client: ExecutorClient) -> None:
    done = client.execute("result = 1", [], {}, max_code_length=5)
    assert (done.error or "").startswith("Rejected: the code is 10 characters long; at most 5")
    done = client.execute("result = 1", [], {}, max_code_length=100_000, execution_timeout=100_000)
    assert done.result == "1"


def test_code_that_runs_too_long_runs_once(codemode: Codemode, application: Application) -> None:
    """Its end is an answer, and no status that the client would repeat."""
    code = "tools['mark'].run(text='ran')\nwhile True: pass"
    assert codemode.execute(code, execution_timeout=1).startswith("ERROR: Timeout: the code ran longer than 1 s")
    assert application.marks == ["ran"]


@pytest.mark.parametrize("rest", ["while True: pass", "import time\ntime.sleep(600)", "tools['hang'].run()"])
def test_the_clients_own_deadline_runs_nothing_twice(executor: Executor, application: Application, rest: str) -> None:
    """The published client gives the request as long as it waits for the answer."""
    config = ClientConfig(executor_url=executor.url, executor_api_key=KEY, executor_timeout=2)
    application.marks.clear()
    with Codemode.from_client_config(config, registry=application.registry) as codemode:
        answer = codemode.execute(f"tools['mark'].run(text='ran')\n{rest}")
    assert answer.startswith("ERROR: Timeout: ")
    assert application.marks == ["ran"]


@pytest.mark.parametrize("code", ["print('x' * (8 << 20))", "result = 'x' * (8 << 20)"])
def test_an_answer_that_the_client_could_not_read_runs_nothing_twice(
    client: ExecutorClient, application: Application, code: str
) -> None:
    """gRPC for Python reads 4 MiB, and calls more a status that the client repeats."""
    application.marks.clear()
    done = client.execute(f"tools['mark'].run(text='ran')\n{code}", ["mark"], {})
    assert application.marks == ["ran"]
    if done.success:
        assert done.stdout.endswith("[the output is longer and was cut here]\n") and len(done.stdout) > 1 << 20
    else:
        assert (done.error or "").startswith("ResultTooLarge: ")


def test_a_wrong_key(executor: Executor) -> None:
    for key in ("wrong", "", KEY + "x"):
        with ExecutorClient(executor.url, key) as stranger:
            with pytest.raises(ExecutorConnectionError) as caught:
                stranger.execute("result = 1", [], {})
            cause = caught.value.__cause__
            assert isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAUTHENTICATED
            # As with the published executor, probes carry no key.
            assert stranger.health_check() and stranger.ready_check()


def test_what_the_request_says_wrong_is_not_repeated(client: ExecutorClient) -> None:
    with pytest.raises(ExecutorClientError, match="`tool_call_timeout` in the configuration must be a number above 0"):
        client.execute("result = 1", [], {"tool_call_timeout": "soon"})
    with pytest.raises(ExecutorClientError, match="`timeout` must be"):
        client.execute("result = 1", [], {}, execution_timeout=-1)


def test_without_a_key_on_this_machine(folder: Path) -> None:
    with Executor(folder, key=None) as executor, ExecutorClient(executor.url, "") as client:
        assert client.execute("result = 1", [], {}).result == "1"
