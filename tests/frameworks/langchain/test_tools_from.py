"""LangChain's tools, registered as they are and called by code from the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForToolRun
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool, Tool, ToolException
from langchain_core.tools import tool as langchain_tool
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.prebuilt import InjectedState, ToolRuntime
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session as connected
from pydantic import BaseModel, Field

from codemode import Codemode, ExecutionResult
from codemode.core import RegistryError
from frameworks import shop


class Line(BaseModel):
    product: str
    pieces: int = Field(1, ge=1)


class Order(BaseModel):
    lines: list[Line]
    for_customer: str = Field(alias="customer")


class Weather(BaseTool):
    """No schema of its own: LangChain reads `_run`."""

    name: str = "weather"
    description: str = "Weather of a city."

    def _run(
        self, city: str, run_manager: CallbackManagerForToolRun | None = None, config: RunnableConfig | None = None
    ) -> dict[str, Any]:
        return {"city": city, "has_manager": run_manager is not None}


@langchain_tool
def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


@langchain_tool(args_schema=Order)
def order(lines: list[Line], for_customer: str) -> str:
    """Orders."""
    return f"{for_customer}: {', '.join(f'{line.pieces} {line.product}' for line in lines)}"


@langchain_tool
def configured(text: str, settings: RunnableConfig, callbacks: Any = None) -> str:
    """Has what LangChain fills in."""
    return f"{text} {sorted(settings)[0]} {callbacks is not None}"


@langchain_tool
def owned(text: str, user: Annotated[str, InjectedToolArg] = "nobody") -> str:
    """Has a parameter that no model gives."""
    return f"{user}: {text}"


@langchain_tool(response_format="content_and_artifact")
def search(query: str) -> tuple[str, list[int]]:
    """Searches."""
    return f"found {query}", [1, 2, 3]


def _fails(reason: str) -> str:
    raise ToolException(f"no: {reason}")


async def _later(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


shout = StructuredTool.from_function(coroutine=_later, name="shout", description="Shouts.")
fails = StructuredTool.from_function(_fails, name="fails", description="Fails.", handle_tool_error=True)
length = Tool(name="length", func=len, description="Length of a text.")


def _open(user: Annotated[str | None, InjectedToolArg()] = None, **given: Any) -> dict[str, Any]:
    assert user is None
    return given


by_hand = StructuredTool.from_function(
    _open,
    name="by_hand",
    description="With a JSON Schema.",
    args_schema={"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]},
)


Run = Callable[[str, Any], ExecutionResult]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs code that may call one tool."""
    with Codemode() as client:

        def run(code: str, component: Any) -> ExecutionResult:
            client.registry.register_tool(component, overwrite=True)
            return client.execute(code, tool_filter=[component.name])

        yield run


@pytest.mark.parametrize(
    ("component", "code", "expected"),
    [
        (add, "tools.add(a=1), tools.add(a=2**70, b=1)", (3, 2**70 + 1)),
        (order, "tools.order(customer='Ada', lines=[{'product': 'lamp', 'pieces': 2}])", "Ada: 2 lamp"),
        (Weather(), "tools.weather(city='Oslo')", {"city": "Oslo", "has_manager": True}),
        (configured, "tools.configured(text='x')", "x callbacks True"),
        (owned, "tools.owned(text='x')", "nobody: x"),
        (shout, "await tools['shout'].arun(text='x')", "X"),
        (search, "tools.search(query='x')", "found x"),
        (length, "tools.length(tool_input='four')", 4),
        (by_hand, "tools.by_hand(n=3)", {"n": 3}),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_each_kind_of_tool(run: Run, component: Any, code: str, expected: Any) -> None:
    result = run(code, component)
    assert result.success, result
    assert result.result == expected


@pytest.mark.parametrize(
    ("component", "given", "problem"),
    [
        (add, {"a": "x"}, "a: expected int"),
        (add, {"a": 1, "c": 1}, "c: no such parameter"),
        (order, {"customer": "Ada", "lines": [{"product": "lamp", "pieces": 0}]}, "pieces"),
        (Weather(), {"city": "Oslo", "run_manager": None}, "run_manager: no such parameter"),
        (Weather(), {"city": "Oslo", "config": {}}, "config: no such parameter"),
        (configured, {"text": "x", "callbacks": []}, "callbacks: no such parameter"),
        (configured, {"text": "x", "settings": {}}, "settings: no such parameter"),
        (owned, {"text": "x", "user": "root"}, "user: no such parameter"),
        (length, {"text": "x"}, "tool_input"),
        (by_hand, {"n": -1}, "n: "),
        (by_hand, {"n": 1, "user": "root"}, "user: no such parameter"),
        (by_hand, {"n": 1, "callbacks": []}, "callbacks: no such parameter"),
    ],
)
def test_schemas_are_enforced(run: Run, component: Any, given: dict[str, Any], problem: str) -> None:
    """Also for arguments that nobody sees before the code runs; what is not offered cannot be given."""
    code = f"given = {given!r}\ntools[{component.name!r}].run(**given)"
    result = run(code, component)
    assert not result.success and problem in str(result.error)


def test_a_failure_is_an_error_that_code_can_catch(run: Run) -> None:
    """Also where LangChain would make a text of it, for a model."""
    code = "try:\n    tools.fails(reason='late')\nexcept ToolError as error:\n    caught = str(error)\nresult = caught"
    assert "no: late" in run(code, fails).result
    assert fails.invoke({"reason": "late"}) == "no: late"


def test_async_tools_run_on_the_loop_that_awaits() -> None:
    seen: list[object] = []

    async def where() -> str:
        seen.append(asyncio.get_running_loop())
        return "here"

    async def main() -> None:
        with Codemode() as client:
            client.registry.register_tool(StructuredTool.from_function(coroutine=where, description="Where."))
            assert (await client.execute_async("tools.where()")).result == "here"
            assert seen == [asyncio.get_running_loop()]

    asyncio.run(main())


def test_callbacks_of_the_agent_hear_of_calls_by_code() -> None:
    """LangChain finds them in the context of the task, and code runs in that of its tool's call."""
    heard: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_tool_start(self, serialized: dict[str, Any], *_: Any, **__: Any) -> None:
            heard.append(serialized["name"])

    with Codemode() as client:
        client.registry.register_tool(add)
        client.as_langchain_tool().invoke({"code": "tools.add(a=1)"}, {"callbacks": [Listener()]})
    assert heard == ["codemode", "add"]


@pytest.mark.parametrize("needed", ["state", "tool_call_id", "runtime", "user"])
def test_a_tool_that_only_an_agents_run_can_call(needed: str) -> None:
    @langchain_tool("state")
    def with_state(text: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Reads the graph's state."""
        return text

    @langchain_tool("tool_call_id")
    def with_id(text: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> str:
        """Reads the call's id."""
        return text

    @langchain_tool("runtime")
    def with_runtime(text: str, runtime: ToolRuntime) -> str:
        """Reads the run."""
        return text

    @langchain_tool("user")
    def with_user(text: str, user: Annotated[str, InjectedToolArg]) -> str:
        """Reads what the application injects."""
        return text

    known = {each.name: each for each in (with_state, with_id, with_runtime, with_user)}
    with pytest.raises(RegistryError, match=f"needs {needed}, which only an agent's run can give"):
        Codemode().registry.register_tool(known[needed])


def test_tools_of_an_mcp_server() -> None:
    """As LangChain's own adapter makes them."""

    async def main() -> ExecutionResult:
        async with connected(shop.offered_by(FastMCP("shop"))._mcp_server) as session:
            return await shop.used(await load_mcp_tools(session))

    shop.check(asyncio.run(main()))
