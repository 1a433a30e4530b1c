"""FastMCP's tools and those of its client, registered as they are and called by code from the sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools import Tool
from mcp.types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from pydantic import BaseModel

from codemode import Codemode, ExecutionResult
from codemode.tools import mcp_tools
from frameworks import shop


class Line(BaseModel):
    product: str
    pieces: int = 1


def order(lines: list[Line]) -> Line:
    """Adds up."""
    return Line(product="all", pieces=sum(line.pieces for line in lines))


async def greet(name: str, ctx: Context | None = None) -> str:
    """Greets."""
    if not name:
        raise ToolError("nobody is there")
    return f"hello {name}"


def ask(name: str) -> InputRequiredResult:
    """Asks back."""
    form = ElicitRequestFormParams(message="Really?", requested_schema={"type": "object", "properties": {}})
    return InputRequiredResult(input_requests={"sure": ElicitRequest(params=form)})


def run(code: str, *tools: Any) -> ExecutionResult:
    with Codemode() as client:
        for each in tools:
            client.registry.register_tool(each)
        return client.execute(code, check_tools=False)


def test_a_tool_object() -> None:
    """What it gives is what a client would see: the structured content, in the shape of the output schema."""
    made = Tool.from_function(order)
    result = run("tools.order(lines=[{'product': 'a', 'pieces': 2}, {'product': 'b'}])", made)
    assert result.result == {"product": "all", "pieces": 3}, result
    for given, problem in (({"lines": 1}, "lines: "), ({"lines": [{"pieces": 1}]}, "product"), ({"x": 1}, "lines: ")):
        failed = run(f"given = {given!r}\ntools['order'].run(**given)", made)
        assert failed.error and "invalid arguments for tool 'order'" in failed.error.message
        assert problem in failed.error.message


def test_text_and_failures() -> None:
    """The context is the server's to give, and not offered."""
    made = Tool.from_function(greet, output_schema=None)
    code = """
def attempt(name):
    try:
        return tools.greet(name=name)
    except ToolError as error:
        return str(error)
[attempt('Ada'), attempt('')]
"""
    greeting, caught = run(code, made).raise_for_error().result
    assert greeting == "hello Ada" and "nobody is there" in caught
    refused = run("tools['greet'].run(name='a', ctx=None)", made)
    assert refused.error and "ctx: no such parameter" in refused.error.message


def test_a_tool_that_asks_back() -> None:
    failed = run("tools.ask(name='a')", Tool.from_function(ask))
    assert failed.error and "asks its client for something" in failed.error.message


@pytest.mark.parametrize("of", ["client", "session"])
def test_tools_of_a_server(of: str) -> None:
    server = FastMCP("shop")
    server.tool(shop.price)
    server.tool(shop.greet, output_schema=None)

    async def main() -> None:
        async with Client(server) as client:
            shop.check(await shop.used(await mcp_tools(client if of == "client" else client.session)))

    asyncio.run(main())
