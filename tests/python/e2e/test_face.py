"""The Python face on the real executor: what no fake can show."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from codemode import (
    AsyncCodemode,
    Codemode,
    ComponentRegistry,
    ExecutionFailed,
    RuntimeContext,
    Tool,
    ToolError,
    tool,
)

pytestmark = pytest.mark.timeout(120)


class Weather(Tool):
    name = "weather"
    description = "Current weather"

    def execute(self, location: str, units: str = "metric") -> dict[str, Any]:
        return {"location": location, "temperature": 21.5, "units": units}


class Who:
    """Greets whoever asks."""

    def run_with_context(self, context: RuntimeContext, greeting: str) -> str:
        return f"{greeting} {context.require('user')}"


@tool
async def slow(seconds: float) -> float:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return seconds


@tool
def echo(value: Any) -> Any:
    """The value itself."""
    return value


@tool
def fails(kind: str) -> None:
    """Fails."""
    if kind == "path":
        raise FileNotFoundError(2, "No such file or directory", "/root/secret")
    raise ToolError("not today", suggestions=["tomorrow"])


@pytest.fixture(scope="module")
def registry() -> ComponentRegistry:
    registry = ComponentRegistry()
    registry.register_tool(Weather())
    registry.register_tool("who", Who())
    registry.register_tool("database", lambda **request: request, description="Rows of the database.")
    for decorated in (slow, echo, fails):
        registry.register(decorated)
    return registry


@pytest.fixture(scope="module")
def codemode(registry: ComponentRegistry) -> Iterator[Codemode]:
    with Codemode(registry=registry) as client:
        yield client


def test_two_and_two(codemode: Codemode) -> None:
    result = codemode.execute("print('hello')\n2 + 2")
    assert (str(result), result.result, result.stdout, result.exit_code) == ("4", 4, "hello\n", 0)
    assert result.isolation.tier in ("full", "container")
    assert result.usage.peak_memory_bytes > 0


def test_tools_of_every_form(codemode: Codemode) -> None:
    code = """
        [
            tools['weather'].run(location='NYC')['temperature'],
            tools.weather(location='NYC', units='imperial')['units'],
            tools['who'].run(greeting='hi'),
            tools['database'].run(operation='bulk_insert', table='t', data=[{'id': 1}])['data'],
            tools['slow'].run(seconds=0.01),
            await tools['slow'].arun(seconds=0.01),
        ]
    """
    result = codemode.with_context(user="ada").execute(textwrap.dedent(code).strip(), check=True)
    assert result.result == [21.5, "imperial", "hi ada", [{"id": 1}], 0.01, 0.01]
    assert [call.name for call in result.tool_calls] == ["weather", "weather", "who", "database", "slow", "slow"]
    assert result.tool_calls[0].arguments == {"location": "NYC"}


@pytest.mark.parametrize(
    "value",
    [
        2**53 + 1,
        10**400,
        -0.0,
        float("inf"),
        b"\x00\xff",
        dt.datetime(2026, 1, 2, 3, 4, 5),
        Decimal("1.10"),
        {1, 2},
        (1, "a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_cross_both_ways(codemode: Codemode, value: Any) -> None:
    result = codemode.execute("tools['echo'].run(value=context['value'])", context={"value": value}, check=True)
    assert (type(result.result), result.result) == (type(value), value)


def test_tool_failures_teach(codemode: Codemode) -> None:
    code = """
        said = []
        for call in (
            lambda: tools['weather'].run(locaton='NYC'),
            lambda: tools['wether'].run(),
            lambda: tools['fails'].run(kind='path'),
            lambda: tools['fails'].run(kind='other'),
        ):
            try:
                call()
            except ToolError as error:
                said.append(str(error))
        result = said
    """
    arguments, unknown, path, chosen = codemode.execute(textwrap.dedent(code), check=True).result
    assert "location: required, but missing" in arguments
    assert "location*" in arguments
    assert "'weather'" in unknown
    assert "secret" not in path
    assert "not today" in chosen


def test_the_filter_holds(codemode: Codemode) -> None:
    code = "try:\n    tools['who'].run(greeting='x')\nexcept Exception as e:\n    result = str(e)"
    assert "who" in codemode.execute(code, tool_filter=["weather"], check=True).result
    assert codemode.execute("tools['__list__'].run()['count']", tool_filter=["weather"], check=True).result == 1


def test_threads_share_one_client(codemode: Codemode) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: codemode.execute(f"tools['echo'].run(value={n}) * 2").result, range(24)))
    assert results == [n * 2 for n in range(24)]


def test_async_executions_run_side_by_side(registry: ComponentRegistry) -> None:
    async def main() -> list[Any]:
        async with AsyncCodemode(registry=registry) as client:
            await client.execute("0")  # starts the executor
            started = time.monotonic()
            results = await asyncio.gather(*(client.execute("tools['slow'].run(seconds=0.5)") for _ in range(2)))
            assert time.monotonic() - started < 0.95
            return [result.result for result in results]

    assert asyncio.run(main()) == [0.5, 0.5]


def test_cancelling_a_task_stops_the_code(registry: ComponentRegistry) -> None:
    async def main() -> None:
        async with AsyncCodemode(registry=registry) as client:
            task = asyncio.create_task(client.execute("while True: pass"))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.execute("1")).result == 1

    asyncio.run(main())


def test_output_streams(codemode: Codemode) -> None:
    chunks: list[str] = []
    code = "import time\nprint('é', flush=True)\ntime.sleep(0.2)\nprint('b')"
    assert codemode.execute(code, on_stdout=chunks.append).stdout == "é\nb\n" == "".join(chunks)
    assert len(chunks) > 1


def test_failures_are_results_or_raise(codemode: Codemode) -> None:
    result = codemode.execute("def f():\n    return 1 / 0\n\nf()")
    assert result.error is not None
    assert (result.error.error_type, result.error.line, result.exit_code) == ("ZeroDivisionError", 2, 1)
    assert "return 1 / 0" in str(result)
    with pytest.raises(ExecutionFailed):
        codemode.execute("1 / 0", check=True)
    assert codemode.execute("while True: pass", 0.5).outcome == "timeout"
    for refused in ("", "a\0b", "'\udc80'"):
        assert codemode.execute(refused).outcome == "rejected"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_both_sides_of_a_fork_work(codemode: Codemode) -> None:
    assert codemode.execute("tools['slow'].run(seconds=0)").result == 0
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if codemode.execute("tools['slow'].run(seconds=0) + 40").result == 40 else 2
            codemode.close()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert codemode.execute("1").result == 1


def test_ctrl_c_stops_the_code_and_keeps_the_client() -> None:
    program = """
        import signal
        from codemode import Codemode

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with it ignored
        def show(text):
            print(text, end="", flush=True)

        client = Codemode()
        client.execute("0")
        print("ready", flush=True)
        try:
            client.execute("print('running')\\nwhile True: pass", on_stdout=show)
        except KeyboardInterrupt:
            print("interrupted", client.execute("6 * 7"), flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted 42\n"
    assert process.wait(10) == 0
