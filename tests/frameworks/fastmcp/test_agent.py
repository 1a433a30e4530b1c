"""Real servers in code mode: what a client's code does, and what comes back."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError

from codemode import Codemode
from codemode.core import ComponentNotFoundError
from codemode.integrations.fastmcp import CodemodeSandboxProvider
from frameworks.application import PAY, WEATHER, Application


def orders(customer: str) -> list[dict[str, int]]:
    """Open orders of one customer."""
    return [{"id": 7, "items": 3}, {"id": 8, "items": 4}] if customer == "Ada" else []


def refund(order: int) -> str:
    """Pays back an order."""
    return f"order {order} is paid back"


def test_code_calls_the_servers_tools_and_registered_ones(
    codemode: Codemode, application: Application, serve: Any, ask: Any
) -> None:
    program = f"""
found = (await call_tool("orders", {{"customer": "Ada"}}))["result"]
items = sum(order["items"] for order in found)
[items, call_tool(tool_name="refund", params={{"order": found[0]["id"]}}), {WEATHER}, weather("Rome")]
"""
    (answer,) = asyncio.run(ask(serve(CodemodeSandboxProvider(codemode), orders, refund), program))
    assert answer == [7, {"result": "order 7 is paid back"}, {"temperature": 21.5}, {"temperature": 21.5}]
    assert application.calls == [("weather", "Oslo"), ("weather", "Rome")]


def test_a_client_sees_no_tool_but_those_that_find_and_run(codemode: Codemode, serve: Any) -> None:
    async def seen() -> dict[str, str | None]:
        async with Client(serve(CodemodeSandboxProvider(codemode), orders)) as client:
            return {tool.name: tool.description for tool in await client.list_tools()}

    tools = asyncio.run(seen())
    assert set(tools) == {"search", "get_schema", "execute"}
    assert "await call_tool(tool_name, params)" in (tools["execute"] or "")


def test_a_run_that_fails_and_recovers(codemode: Codemode, application: Application, serve: Any, ask: Any) -> None:
    """The client reads what a tool takes, where its code failed and which tools ran already."""
    first, second, third = asyncio.run(
        ask(
            serve(CodemodeSandboxProvider(codemode), orders),
            "call_tool('orders', {'custmer': 'Ada'})",
            "pay('Ada')\n{'items': 3}['itms']",
            "len((await call_tool('orders', {'customer': 'Ada'}))['result'])",
        )
    )
    assert "Valid parameters for orders (* = required): customer*" in first
    assert "line 2, in <module>" in second and "KeyError: 'itms'" in second
    assert "already ran; running the code again repeats them: pay (ok)" in second
    assert third == 2 and application.calls == [("pay", "Ada")]


def test_what_code_may_call(codemode: Codemode, application: Application, serve: Any, ask: Any) -> None:
    """Of the server what FastMCP lets the client have, of the registry what the filter names."""
    server = serve(CodemodeSandboxProvider(codemode, ["weather"]), orders)
    unregistered, unfound, third = asyncio.run(ask(server, PAY, "call_tool('refund', {'order': 7})", WEATHER))
    assert "there is no tool 'pay'" in unregistered and "Unknown tool: refund" in unfound
    assert third == {"temperature": 21.5} and application.calls == [("weather", "Oslo")]


def test_how_often_code_may_call(codemode: Codemode, serve: Any, ask: Any) -> None:
    server = serve(CodemodeSandboxProvider(codemode), orders, max_tool_calls=2)
    (answer,) = asyncio.run(ask(server, "[call_tool('orders', {'customer': 'Bob'}) for _ in range(3)]"))
    assert "at most 2" in answer


def test_what_comes_back(codemode: Codemode) -> None:
    provider = CodemodeSandboxProvider(codemode, max_characters=1000)

    async def all_of_it() -> list[Any]:
        programs = ("total = 3", "print('so far')", "print(1)\n2", "'x' * 5000", "by_now", "result = by_now.year")
        return [await provider.run(program, inputs={"by_now": datetime.date(2026, 1, 2)}) for program in programs]

    nothing, printed, value, long, plain, named = asyncio.run(all_of_it())
    assert (nothing, printed, value, plain, named) == (None, "so far\n", 2, "2026-01-02", 2026)
    assert len(long) < 1000 and "cut: 5000 characters in all" in long


def test_runs_at_once(codemode: Codemode) -> None:
    """Each program's function waits for those of the two others, so none holds the event loop; nor do they share."""

    async def all_three() -> list[Any]:
        met, everybody = [], asyncio.Event()

        async def meet(who: str) -> str:
            met.append(who)
            if len(met) == 3:
                everybody.set()
            await everybody.wait()
            return who

        def greeting(word: str) -> Any:
            return lambda name: f"{word} {name}"

        provider = CodemodeSandboxProvider(codemode)
        functions = ({"meet": meet, "greet": greeting(word)} for word in ("hi", "hej", "hoi"))
        runs = (provider.run("greet(await meet('Ada'))", external_functions=each) for each in functions)
        return await asyncio.gather(*runs)

    assert asyncio.run(all_three()) == ["hi Ada", "hej Ada", "hoi Ada"]


def test_a_client_that_gives_up(codemode: Codemode) -> None:
    """The functions that the code waits for are given up too, before anything else happens."""

    async def given_up() -> list[str]:
        events: list[str] = []
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                events.append("given up")

        task = asyncio.create_task(CodemodeSandboxProvider(codemode).run("wait()", external_functions={"wait": wait}))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return events

    assert asyncio.run(given_up()) == ["given up"]


def test_an_executor_that_is_gone() -> None:
    with Codemode() as client:
        provider = CodemodeSandboxProvider(client)
    with pytest.raises(ToolError, match="The sandbox cannot be used"):
        asyncio.run(provider.run("1"))


def test_what_is_wrong_is_told_before_a_server_runs(codemode: Codemode) -> None:
    with pytest.raises(ComponentNotFoundError, match="did you mean 'weather'"):
        CodemodeSandboxProvider(codemode, ["wether"])
    with pytest.raises(TypeError, match="did you mean 'execution_timeout'"):
        CodemodeSandboxProvider(codemode, execution_timeut=3)  # type: ignore[call-arg]
