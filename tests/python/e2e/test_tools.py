"""Tool calls: from threads, from asyncio, that fail, that hang, that are not there."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from codemode import AsyncCodemode, Codemode, ExecutionFailed, RuntimeContext, Tool
from e2e.conftest import Local, registry_of


def weather(location: str, units: str = "metric") -> dict[str, Any]:
    return {"location": location, "temperature": 21, "units": units}


def test_every_spelling_of_a_call(local: Local) -> None:
    code = """
a = tools['weather'].run(location='NYC')
b = tools.weather(location='NYC')
c = await tools['weather'].arun(location='NYC')
d = await tools['weather'].run(location='NYC')
e = tools.gather(tools['weather'].arun(location='NYC'), tools['weather'].arun(location='NYC'))
[a == b == c == d, [x['temperature'] for x in e]]
"""
    result = local(weather=weather).execute(code)
    assert result.success, str(result)
    assert result.result == [True, [21, 21]]
    assert [call.name for call in result.tool_calls] == ["weather"] * 6
    assert all(call.status == "ok" and call.arguments == {"location": "NYC"} for call in result.tool_calls)


def test_a_tool_as_a_class(local: Local) -> None:
    class Add(Tool):
        name = "add"
        description = "Add two numbers."

        def execute(self, a: int, b: int) -> int:
            return a + b

    client = local()
    client.registry.register_tool(Add())
    assert client.execute("tools['add'].run(a=1, b=2)").result == 3


def test_an_unknown_tool_names_the_nearest(local: Local) -> None:
    code = "try:\n    tools['wether'].run(location='NYC')\nexcept ToolError as error:\n    result = str(error)\n"
    result = local(weather=weather).execute(code)
    assert result.success, str(result)
    assert "wether" in result.result and "weather" in result.result


def test_wrong_arguments_name_the_valid_ones(local: Local) -> None:
    code = "try:\n    tools['weather'].run(locaton='NYC')\nexcept ToolError as error:\n    result = str(error)\n"
    result = local(weather=weather).execute(code)
    assert result.success, str(result)
    assert "location" in result.result and "units" in result.result


def test_a_tool_that_raises_is_catchable_and_otherwise_ends_the_code(local: Local) -> None:
    def boom() -> None:
        raise ValueError("the message")

    client = local(boom=boom)
    caught = client.execute("try:\n    tools['boom'].run()\nexcept ToolError as error:\n    result = str(error)\n")
    assert caught.success and "ValueError" in caught.result and "the message" in caught.result
    assert [call.status for call in caught.tool_calls] == ["error"]
    uncaught = client.execute("tools['boom'].run()")
    assert uncaught.error and uncaught.error.error_type == "ToolError"
    assert "boom" in str(uncaught)


def test_a_tool_that_hangs_is_given_up(local: Local) -> None:
    release = threading.Event()
    try:
        client = local({"limits": {"tool_timeout": 0.3}}, hang=lambda: release.wait(60))
        result = client.execute("try:\n    tools['hang'].run()\nexcept ToolError as error:\n    result = str(error)\n")
        assert result.success, str(result)
        assert "0.3" in result.result or "time" in result.result.lower()
        assert [call.status for call in result.tool_calls] == ["timeout"]
    finally:
        release.set()


def test_waiting_for_a_tool_is_not_the_codes_time(local: Local) -> None:
    def slow() -> str:
        time.sleep(1.5)  # the tool's own work, longer than the code may take
        return "done"

    result = local({"limits": {"code_timeout": 1}}, slow=slow).execute("tools['slow'].run()")
    assert result.result == "done", str(result)
    assert result.usage.tool_ms >= 1_400


def test_a_pending_call_does_not_shelter_a_spinning_thread(local: Local) -> None:
    release = threading.Event()
    code = """
import threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
tools['hang'].run()
"""
    try:
        client = local({"limits": {"code_timeout": 1}}, hang=lambda: release.wait(60))
        result = client.execute(code)
        assert result.outcome in ("cpu_limit", "timeout"), str(result)
        assert result.duration_ms < 30_000
    finally:
        release.set()


def test_calls_from_threads_get_their_own_answers(local: Local) -> None:
    def echo(value: int) -> int:
        return value

    code = """
import threading
answers = {}
def work(n):
    answers[n] = [tools['echo'].run(value=n * 1000 + i) for i in range(20)]
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
all(answers[n] == [n * 1000 + i for i in range(20)] for n in range(8))
"""
    result = local(echo=echo).execute(code)
    assert result.result is True, str(result)
    assert len(result.tool_calls) == 160


def test_calls_from_threads_run_at_the_same_time(local: Local) -> None:
    together = threading.Barrier(4)
    code = """
import threading
threads = [threading.Thread(target=tools['meet'].run) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    # Four calls wait for each other: one after the other they would never end.
    assert local(meet=lambda: together.wait(30)).execute(code).success


def test_calls_from_asyncio_run_at_the_same_time(local: Local) -> None:
    together = threading.Barrier(3)
    code = "import asyncio\nlen(await asyncio.gather(*(tools['meet'].arun() for _ in range(3))))"
    assert local(meet=lambda: together.wait(30)).execute(code).result == 3


def test_asyncio_run_works_without_top_level_await(local: Local) -> None:
    code = """
import asyncio
async def main():
    return (await tools['weather'].arun(location='Oslo'))['location']
asyncio.run(main())
"""
    assert local(weather=weather).execute(code).result == "Oslo"


def test_async_tools_run_on_the_callers_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def where() -> bool:
            await asyncio.sleep(0)
            return asyncio.get_running_loop() is loop

        async with AsyncCodemode.local(registry=registry_of(where=where)) as client:
            result = await client.execute("tools['where'].run()")
            assert result.result is True, str(result)

    asyncio.run(main())


def test_a_filtered_tool_is_not_there(local: Local) -> None:
    client = local(weather=weather, secret=lambda: "secret")
    # The executor refuses the call even where the code was not checked before it ran.
    result = client.execute("tools['secret'].run()", tool_filter=["weather"], check_tools=False)
    assert result.error and result.error.error_type == "ToolError"
    listed = client.execute("[t['name'] for t in tools['__list__'].run()['tools']]", tool_filter=["weather"])
    assert listed.result == ["weather"]


def test_the_context_comes_from_the_client_not_from_the_code(local: Local) -> None:
    class Who:
        name = "who"
        description = "Who asks."

        def run_with_context(self, context: RuntimeContext) -> Any:
            return context.require("user")

    client = local()
    client.registry.register_tool("who", Who())
    code = "context_copy = {'user': 'eve'}\ntools['who'].run()"
    assert client.execute(code, context={"user": "ada"}).result == "ada"


def test_too_many_calls_are_ended(local: Local) -> None:
    client = local({"limits": {"max_tool_calls": 5}}, weather=weather)
    result = client.execute("for _ in range(100):\n    tools['weather'].run(location='x')")
    assert not result.success
    assert result.outcome in ("tool_call_limit", "error"), str(result)
    assert len(result.tool_calls) <= 6


def test_only_calls_that_ran_are_said_to_have_run(local: Local) -> None:
    code = """
for wrong in ({'locaton': 'x'}, {'location': 5, 'more': 1}):
    try:
        tools['weather'].run(**wrong)
    except ToolError:
        pass
tools['weather'].run(location='NYC')
tools['boom'].run(location='NYC')
"""

    class InvalidArguments(Exception):
        pass

    def boom(location: str) -> None:
        raise InvalidArguments("after it did half of its work")

    result = local(weather=weather, boom=boom).execute(code)
    assert [(call.name, call.status, call.ran) for call in result.tool_calls] == [
        ("weather", "error", False),
        ("weather", "error", False),
        ("weather", "ok", True),
        ("boom", "error", True),
    ]
    repeats = "Tool calls that already ran (running the code again repeats them): weather (ok), boom (error)"
    assert str(result).endswith(repeats)


def test_a_value_without_a_wire_form_tells_the_code_no_more_than_its_type(local: Local) -> None:
    class Report:
        def __repr__(self) -> str:
            return "<Report for key sk-secret>"

    def odd() -> Any:
        return {"plain": object(), "secret": Report(), "n": 1}

    def quotes() -> None:
        raise ValueError(f"cannot use {object()!r}")

    client = local(odd=odd, quotes=quotes)
    result = client.execute("v = tools['odd'].run()\n[str(v['plain']), str(v['secret']), v['n'], str(context['who'])]",
                            context={"who": Report()})  # fmt: skip
    assert result.success, str(result)
    assert result.result[0] == "<object object>"
    assert result.result[1] == result.result[3] and result.result[1].endswith("Report object>")
    assert "sk-secret" not in result.result[1]
    failed = client.execute("tools['quotes'].run()")
    assert "cannot use <object object>" in str(failed)
    # What the code itself made keeps its repr.
    assert "at 0x" in str(client.execute("object()").result)


def test_what_is_too_large_is_refused_alone(local: Local) -> None:
    client = local({"limits": {"value_bytes": "64Ki"}}, big=lambda: "x" * 100_000_000, small=lambda: 1)
    code = """
try:
    tools['big'].run()
except ToolError as error:
    result = [error.error_type, tools['small'].run()]
"""
    assert client.execute(code).result == ["ToolResultTooLarge", 1]
    with pytest.raises(ExecutionFailed, match=r"the context takes \d+ bytes; at most .* \(limits.value_bytes\)"):
        client.execute("1", context={"big": "x" * 100_000_000})
    assert client.execute("1" * 100_000_000).outcome == "rejected"
    assert client.execute("1").result == 1


def test_many_executions_at_once(codemode: Codemode) -> None:
    answers: dict[int, Any] = {}

    def work(number: int) -> None:
        answers[number] = codemode.execute(f"{number} * 10").result

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number * 10 for number in range(24)}
