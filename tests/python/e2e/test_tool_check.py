"""Tool calls are checked before the code runs, unless the caller says otherwise."""

from __future__ import annotations

import asyncio

import pytest

from codemode import AsyncCodemode, ExecutionFailed
from e2e.conftest import Local, registry_of


def weather(city: str, units: str = "metric") -> dict[str, str]:
    return {"city": city, "units": units}


PROGRAM = """\
print('before')
first = tools['weather'].run(city='NYC')
second = tools['wether'].run(city='LA')
third = tools['weather'].run(citi='SF')
"""
MESSAGE = (
    "line 3: there is no tool 'wether'; did you mean 'weather'? available tools: weather\n"
    "line 4: tool 'weather' has no parameter 'citi'; did you mean 'city'? "
    "valid parameters: city*, units (* = required)"
)


def test_nothing_runs_before_every_problem_is_told(local: Local) -> None:
    result = local(weather=weather).execute(PROGRAM)
    assert (result.success, result.outcome, result.exit_code) == (False, "error", 1)
    assert (result.stdout, result.stderr, result.tool_calls) == ("", "", ())
    assert result.error is not None
    assert (result.error.error_type, result.error.line, result.error.message) == ("ToolCheckError", 3, MESSAGE)
    assert str(result) == (
        '  File "<code>", line 3\n'
        "    second = tools['wether'].run(city='LA')\n"
        "             ^^^^^^^^^^^^^^^\n"
        f"ToolCheckError: {MESSAGE}"
    )
    with pytest.raises(ExecutionFailed, match="ToolCheckError: line 3: there is no tool 'wether'"):
        result.raise_for_error()


def test_it_can_be_switched_off(local: Local) -> None:
    result = local(weather=weather).execute(PROGRAM, check_tools=False)
    assert result.error is not None
    assert (result.error.error_type, result.stdout) == ("ToolError", "before\n")
    assert [call.name for call in result.tool_calls] == ["weather"]


async def _checked_and_not() -> tuple[str, str]:
    async with AsyncCodemode(registry=registry_of(weather=weather)) as client:
        checked = await client.execute(PROGRAM)
        unchecked = await client.execute(PROGRAM, check_tools=False)
    assert checked.error and unchecked.error
    return checked.error.error_type, unchecked.error.error_type


def test_the_same_for_asyncio() -> None:
    assert asyncio.run(_checked_and_not()) == ("ToolCheckError", "ToolError")


def test_only_what_this_execution_may_call_is_there(local: Local) -> None:
    client = local(weather=weather, secret=lambda: 1)
    result = client.execute("tools['secret'].run()", tool_filter=["weather"])
    assert result.error is not None
    assert result.error.message == "line 1: there is no tool 'secret'; available tools: weather"


def test_code_that_asks_or_handles_the_failure_runs(local: Local) -> None:
    code = """\
answers = []
if 'forecast' in tools:
    answers.append(tools['forecast'].run())
try:
    tools['weather'].run(citi='NYC')
except ToolError as error:
    answers.append(error.error_type)
answers
"""
    result = local(weather=weather).execute(code)
    assert result.success, str(result)
    assert len(result.result) == 1
