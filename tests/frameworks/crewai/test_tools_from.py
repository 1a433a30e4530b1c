"""CrewAI's tools and those of an MCP session, registered as they are and called by code from the sandbox."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from crewai.tools import BaseTool, ToolFailure
from crewai.tools import tool as crewai_tool
from crewai.tools.mcp_native_tool import MCPNativeTool
from mcp.server.fastmcp import FastMCP
from mcp.server.fastmcp.tools import Tool as ServerTool
from mcp.shared.memory import create_connected_server_and_client_session as connected
from mcp.types import ListToolsResult, Tool
from pydantic import BaseModel, Field

from codemode import Codemode, ComponentRegistry, ExecutionResult
from codemode.core import RegistryError
from codemode.tools import mcp_tools
from frameworks import shop


class Search(BaseModel):
    words: list[str]
    limit: int = Field(3, ge=1)
    sort_by: str = Field("date", alias="sort")


class Found(BaseModel):
    titles: list[str]


class Library(BaseTool):
    name: str = "Library"
    description: str = "Finds books."
    args_schema: type[BaseModel] = Search

    def _run(self, words: list[str], limit: int, sort_by: str) -> Found:
        return Found(titles=[f"{word} by {sort_by}" for word in words][:limit])


class Slow(BaseTool):
    """Its `_run` is async, and it has no `_arun`."""

    name: str = "slow"
    description: str = "Takes its time."
    max_usage_count: int | None = 1

    async def _run(self, text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()


class Careful(BaseTool):
    name: str = "careful"
    description: str = "Fails without raising."

    def _run(self, text: str) -> Any:
        return ToolFailure(message=f"not {text}") if text else 1


class Wrong(BaseTool):
    name: str = "wrong"
    description: str = "Breaks its own promise."
    result_schema: type[BaseModel] | None = Found

    def _run(self) -> Any:
        return {"titles": "none"}


@crewai_tool("Add up", result_as_answer=True, max_usage_count=2)
def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


@crewai_tool("where")
async def where() -> int:
    """The thread it runs in."""
    return threading.get_ident()


Run = Callable[[str, Any], ExecutionResult]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs code that may call one tool, under the name `it`."""
    with Codemode() as client:

        def run(code: str, component: Any) -> ExecutionResult:
            client.registry.register_tool("it", component, overwrite=True)
            return client.execute(code)

        yield run


def test_a_tool_as_a_class(run: Run) -> None:
    result = run("found = tools.it(words=['a', 'b'], sort='size', limit=1)\nfound['titles']", Library())
    assert result.result == ["a by size"], result
    assert run("tools.it(words=['a']).titles", Library).result == ["a by date"]


def test_a_name_that_is_no_identifier() -> None:
    with Codemode() as client:
        client.registry.register_tool(add)
        assert client.execute("tools['Add up'].run(a=1)").result == 3
        assert "Add up" in client.prompt()


def test_schemas_are_enforced_in_and_out(run: Run) -> None:
    for given, problem in (({"words": "a"}, "words: "), ({"words": [], "limit": 0}, "limit: "), ({"x": 1}, "x: ")):
        result = run(f"given = {given!r}\ntools['it'].run(**given)", Library())
        assert not result.success and problem in str(result.error)
    result = run("tools.it()", Wrong())
    assert "what its output schema does not allow" in str(result.error) and "titles" in str(result.error)


def test_uses_are_counted_as_in_a_crew(run: Run) -> None:
    """Those of code and those of agents together; `result_as_answer` is about agents, and code goes on."""
    add.reset_usage_count()
    assert add.run(a=0) == 2
    result = run("first = tools.it(a=1)\ntools.it(a=first)", add)
    assert result.error and "reached its usage limit of 2 times" in result.error.message
    assert [call.status for call in result.tool_calls] == ["ok", "error"]
    result = run("first = tools.it(text='x')\nprint(first)\ntools.it(text='y')", Slow())
    assert result.stdout == "X\n" and "usage limit of 1" in str(result.error)


def test_a_failure_that_is_returned_is_an_error_in_the_code(run: Run) -> None:
    code = "try:\n    tools.it(text='now')\nexcept ToolError as error:\n    result = f'{error.error_type}: {error}'"
    assert run(code, Careful()).result == "ToolError: tool 'it': not now"
    assert run("tools.it(text='')", Careful()).result == 1


def test_async_functions_run_where_other_async_tools_do(run: Run) -> None:
    assert run("tools.it()", where).result != threading.get_ident()

    async def main() -> None:
        with Codemode() as client:
            client.registry.register_tool(where)
            assert (await client.execute_async("tools.where()")).result == threading.get_ident()

    asyncio.run(main())


def test_crewais_own_tools_of_an_mcp_server(run: Run) -> None:
    """Each call has a client of its own."""

    class Client:
        connected = False

        async def connect(self) -> None:
            self.connected = True

        async def disconnect(self) -> None:
            self.connected = False

        async def call_tool_result(self, name: str, arguments: dict[str, Any]) -> Any:
            return SimpleNamespace(content=f"{name} {arguments['city']}", is_error=not arguments["city"])

    class City(BaseModel):
        city: str

    tool = MCPNativeTool(Client, "weather", {"description": "Weather.", "args_schema": City}, "meteo")
    assert tool.name == "meteo_weather"
    assert run("tools.it(city='Oslo')", tool).result == "weather Oslo"
    failed = run("tools.it(city='')", tool).error
    assert failed and (failed.error_type, failed.message) == ("ToolError", "tool 'it': weather")


def test_tools_of_an_mcp_session() -> None:
    """Also while code runs in a thread, and its tools are called from another loop than the session's."""

    async def main() -> None:
        async with connected(shop.offered_by(FastMCP("shop"))._mcp_server) as session:
            tools = await mcp_tools(session)
            shop.check(await shop.used(tools))
            shop.check(await asyncio.to_thread(lambda: asyncio.run(shop.used(tools))))
            with Codemode() as client:
                for each in tools:
                    client.registry.register_tool(each)
                stubs = client.registry.describe()
                shop.check(await asyncio.to_thread(client.execute, shop.PROGRAM, check_tools=False))
            assert "def price(" in stubs and "-> dict[str, int]" in stubs

    asyncio.run(main())


def test_a_session_that_has_ended() -> None:
    async def offered() -> list[Any]:
        async with connected(shop.offered_by(FastMCP("shop"))._mcp_server) as session:
            return await mcp_tools(session)

    tools = asyncio.run(offered())
    with Codemode() as client:
        client.registry.register_tool(tools[0])
        result = client.execute("tools.price(product='lamp')")
    assert "the MCP session cannot be reached: its event loop does not run" in str(result.error)


def test_every_page_of_a_servers_list_is_read() -> None:
    class Session:
        async def list_tools(self, *, params: Any = None) -> ListToolsResult:
            page = int(params.cursor) if params else 0
            tool = Tool(name=f"tool_{page}", title=f"Tool {page}", inputSchema={"type": "object"})
            return ListToolsResult(tools=[tool], nextCursor=str(page + 1) if page < 2 else None)

    assert [tool.name for tool in asyncio.run(mcp_tools(Session()))] == ["tool_0", "tool_1", "tool_2"]


def test_what_cannot_be_called_is_told_how_it_can() -> None:
    registry = ComponentRegistry()
    described = Tool(name="price", description="Price.", inputSchema={"type": "object"})
    with pytest.raises(
        RegistryError, match=r"'price' is only a description.*await codemode.tools.mcp_tools\(session\)"
    ):
        registry.register_tool(described)
    with pytest.raises(RegistryError, match="'price' is a tool inside of an MCP server; register its function"):
        registry.register_tool(ServerTool.from_function(shop.price))
    assert registry.get_component_names()["tools"] == []
    with pytest.raises(RegistryError, match="needs a connected session or client of MCP"):
        asyncio.run(mcp_tools(described))
