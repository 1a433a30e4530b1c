"""Tools of the unmodified ToolService, called from the sandbox."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codemode import Codemode
from codemode.config.models import GrpcTlsConfig
from codemode.core.context import RuntimeContext
from codemode.core.executor_client import ExecutorClient
from frameworks.opencodemode.application import Application, free_port
from frameworks.opencodemode.executor import CODEMODE, KEY, Executor

ADD_TEXT = """
try:
    result = tools['add'].run(a=2**60, b=0)
except ToolError:
    result = tools['add'].run(a='', b=str(2**60))
"""


@contextmanager
def dialling(folder: Path, target: str | None) -> Iterator[ExecutorClient]:
    """An executor that calls tools there, or none, and a client of it."""
    known = {} if target is None else {"main_app_grpc_target": target}
    with Executor(folder, known) as executor, ExecutorClient(executor.url, KEY) as client:
        yield client


def told(codemode: Codemode, code: str, **options: Any) -> Any:
    answer = codemode.execute(code, **options)
    assert not answer.startswith("ERROR"), answer
    return json.loads(answer)


def test_synchronous_and_asynchronous_tools(codemode: Codemode) -> None:
    weather = {"location": "Oslo", "temperature": 21.5, "days": 3}
    assert told(codemode, "result = tools['weather'].run(location='Oslo')") == weather
    # As the published package teaches models to write it.
    code = """
import asyncio

async def main():
    weather, twice = await asyncio.gather(
        tools['weather'].run(location='Oslo'),
        tools['later'].run(text='ab'),
    )
    return [weather, twice, await tools['__schema__'].run(name='later')]

result = asyncio.run(main())
"""
    found, twice, schema = told(codemode, code)
    assert (found, twice, schema["tool_name"]) == (weather, "abab", "later")
    assert told(codemode, "result = tools['mark'].run(text='x')") is None
    assert told(codemode, "result = tools['add'].run(a=[1], b=[{'c': None}])") == [1, {"c": None}]


def test_integers_are_exact_or_refused(codemode: Codemode) -> None:
    exact = told(
        codemode, "result = [tools['add'].run(a=2**53, b=0), tools['add'].run(a=1, b=2)]\nassert type(result[1]) is int"
    )
    assert exact == [2**53, 3]
    answer = codemode.execute("result = tools['add'].run(a=0, b={'id': 2**53 + 1})")
    assert "argument 'b.id': the integer 9007199254740993 is beyond 2**53" in answer
    # The code can catch it and say it otherwise.
    assert told(codemode, ADD_TEXT) == str(2**60)
    assert "a value of type datetime has no form" in codemode.execute(
        "import datetime\ntools['add'].run(a=datetime.datetime.now(), b=0)"
    )


def test_a_failure_of_a_tool_can_be_caught(codemode: Codemode) -> None:
    assert "the shelf is empty (line 2)" in codemode.execute("x = 1\ntools['broken'].run()")
    assert "the shelf is empty" in told(
        codemode, "try:\n    tools['broken'].run()\nexcept Exception as error:\n    result = str(error)"
    )


def test_the_context_reaches_code_and_tools(codemode: Codemode) -> None:
    """`True` and `None` in it ended every run of the published executor."""
    variables = {"client_id": "acme", "beta": True, "limit": None, "nested": {"n": 7}}
    codemode.with_context(**variables)
    seen, inside = told(codemode, "result = [tools['whoami'].run()['context'], context]")
    assert seen == inside == {"variables": variables, "metadata": {}}
    assert told(codemode, "result = [context['variables']['beta'], context.variables.client_id]") == [True, "acme"]


def test_code_does_not_choose_the_context(codemode: Codemode) -> None:
    codemode.with_context(client_id="acme")
    forged = "{'variables': {'client_id': 'victim'}}"
    for attempt in (
        f"tools['whoami'].run_with_context({forged})",
        f"context['variables'] = {forged}",
        f"context.update({forged})",
    ):
        assert codemode.execute(attempt).startswith("ERROR: "), attempt
    code = f"context = {forged}\nresult = tools['whoami'].run()['context']['variables']"
    assert told(codemode, code) == {"client_id": "acme"}


def test_the_filter_of_an_execution(codemode: Codemode) -> None:
    """The published ToolService tells of every tool; the executor does not."""
    code = "result = [[each['name'] for each in tools['__list__'].run()['tools']], tools['__list__'].run()['count']]"
    assert told(codemode, code, tool_filter=["weather"]) == [["weather"], 1]
    found = told(codemode, "result = tools['__search__'].run(query='tool')", tool_filter=["add", "later"])
    assert [each["name"] for each in found["matches"]] == ["later", "add"] and found["count"] == 2
    for hidden in ("tools['later'].run(text='x')", "tools['__schema__'].run(name='later')"):
        assert "there is no tool 'later'" in codemode.execute(hidden, tool_filter=["weather"]), hidden
    # It answers what is no name with the names of all.
    for odd in ("5", "None", "['later']", "{'name': 'later'}"):
        answer = codemode.execute(f"tools['__schema__'].run(name={odd})", tool_filter=["weather"])
        assert "there is no tool without a name" in answer and "broken" not in answer, odd


def test_a_tool_that_is_registered_later_is_there(codemode: Codemode, application: Application) -> None:
    class Fresh:
        def run(self) -> str:
            return "new"

    application.registry.register_tool("fresh", Fresh(), description="A new one.", overwrite=True)
    assert told(codemode, "result = tools['fresh'].run()") == "new"


def test_a_slow_tool_obeys_its_time(client: ExecutorClient) -> None:
    code = "try:\n    tools['hang'].run()\nexcept TimeoutError as error:\n    result = str(error)"
    done = client.execute(code, ["hang"], {}, tool_call_timeout=1)
    assert "did not answer within 1 s" in (done.result or "")


def test_the_applications_records_know_the_call(client: ExecutorClient) -> None:
    """Its trace is kept under the caller's correlation id, which the code has no part in."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    context = RuntimeContext(variables={"client_id": "acme"})
    done = client.execute(
        "result = tools['whoami'].run()['context']['traceparent']",
        ["whoami"], {}, context=context, traceparent=parent, correlation_id="trace-7",
    )  # fmt: skip
    assert json.loads(done.result or "") == parent
    assert [(call.name, call.status) for call in done.tool_calls] == [("whoami", "success")]


def test_a_tool_that_the_application_does_not_have(client: ExecutorClient) -> None:
    done = client.execute("print('ran')", ["weather", "wether"], {})
    assert not done.success and done.stdout == ""
    assert (done.error or "").startswith("ToolNotFound: the request names the tool `wether`")


def test_an_application_that_is_not_there(folder: Path) -> None:
    meta = ["__list__", "__schema__", "__search__"]  # what the published client names besides
    target = f"127.0.0.1:{free_port()}"
    with dialling(folder, target) as client:
        done = client.execute("print('ran')", [*meta, "add"], {})
        assert (done.success, done.stdout) == (False, "")
        where = f"ToolServiceUnreachable: the application's ToolService at {target} cannot be reached"
        assert done.error and done.error.startswith(where)
        assert "Connection refused" in done.error and "main_app_grpc_target (CODEMODE_MAIN_APP_TARGET)" in done.error
        assert client.health_check() and not client.ready_check()
        # An execution that names no tool of the application needs none.
        assert client.execute("result = 1", meta, {}).result == "1"
        # The code learns that it is gone, and not where it was.
        gone = client.execute("tools['__list__'].run()", meta, {}).error
        assert gone and "ToolService cannot be reached" in gone and target not in gone
    with dialling(folder, None) as client:
        done = client.execute("result = 1", [*meta, "add"], {})
        assert "knows of no ToolService: set main_app_grpc_target" in (done.error or "")
        assert client.execute("result = 1", meta, {}).result == "1" and client.ready_check()


def test_an_application_that_comes_back(folder: Path) -> None:
    """One connection is kept, and made again when it is gone."""
    code = "result = tools['add'].run(a=1, b=1)"
    with Application(KEY) as first, dialling(folder, first.target) as client:
        assert client.execute(code, ["add"], {}).result == "2"
        first.stop()
        assert "ToolServiceUnreachable" in (client.execute(code, ["add"], {}).error or "")
        with Application(KEY, port=first.port):
            assert client.execute(code, ["add"], {}).result == "2"


def test_certificates_on_both_ways(folder: Path) -> None:
    """The client checks the executor, the executor the application, and the application the executor."""
    made = [CODEMODE, "tls", "generate-certs", "--out", folder, "--client", "executor"]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    files = {path.name: str(path) for path in folder.glob("*.pem")}
    pair = {"cert_file": files["server.pem"], "key_file": files["server-key.pem"]}
    authority = {"enabled": True, "ca_file": files["ca.pem"]}
    identity = {"client_cert": files["executor.pem"], "client_key": files["executor-key.pem"]}
    trusted = GrpcTlsConfig(mode="custom", **authority)
    with Application(KEY, GrpcTlsConfig(mode="custom", **authority, **pair)) as application:
        settings = {"main_app_grpc_target": application.target, "tls": pair}
        for callback, answer in ((authority | identity, "2"), (authority, None)):
            with (
                Executor(folder, settings | {"callback_tls": callback}) as executor,
                ExecutorClient(f"localhost:{executor.port}", KEY, tls_config=trusted) as client,
            ):
                done = client.execute("result = tools['add'].run(a=1, b=1)", ["add"], {})
                assert done.result == answer and ("ToolServiceUnreachable" in (done.error or "")) == (answer is None)


def test_many_calls_at_once(codemode: Codemode) -> None:
    code = "result = sum(tools.gather([tools['add'].call(a=n, b=1) for n in range(50)]))"
    assert told(codemode, code) == sum(n + 1 for n in range(50))


def test_executions_at_once_keep_their_contexts(executor: Executor) -> None:
    async def run() -> list[Any]:
        async with ExecutorClient(executor.url, KEY) as client:
            each = [
                client.execute_async(
                    "result = tools['whoami'].run()['context']['variables']['n']",
                    ["whoami"], {}, context=RuntimeContext(variables={"n": number}),
                )
                for number in range(3)
            ]  # fmt: skip
            return [json.loads(done.result or "") for done in await asyncio.gather(*each)]

    assert asyncio.run(run()) == [0, 1, 2]
