"""An MCP server's tools, and code that uses them. What a server is made of differs with the package that has it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codemode import Codemode, ExecutionResult

PROGRAM = """
def attempt(call):
    try:
        return call()
    except ToolError as error:
        return f"{error.error_type}: {error}"

[
    tools.price(product="lamp", pieces=2**60),
    tools.greet(name="Ada"),
    attempt(lambda: tools.greet(name="")),
    attempt(lambda: tools["price"].run(**{"product": "lamp", "pieces": "many"})),
    attempt(lambda: tools["price"].run(**{"produkt": "lamp"})),
    await tools["greet"].arun(name="Bob"),
]
"""


def price(product: str, pieces: int = 1) -> dict[str, int]:
    """Price of a product."""
    return {product: 2 * pieces}


def greet(name: str) -> str:
    """Greets."""
    if not name:
        raise ValueError("nobody is there")
    return f"hello {name}"


def offered_by(server: Any) -> Any:
    """`price` has structured content, `greet` has text."""
    server.tool()(price)
    server.tool(structured_output=False)(greet)
    return server


async def used(tools: Iterable[Any]) -> ExecutionResult:
    """By code, while the session lives on this loop."""
    with Codemode() as client:
        for each in tools:
            client.registry.register_tool(each)
        return await client.execute_async(PROGRAM, check_tools=False)


def check(result: ExecutionResult) -> None:
    assert result.success, result
    known, greeting, nobody, wrong, unknown, later = result.result
    assert (known, greeting, later) == ({"lamp": 2**61}, "hello Ada", "hello Bob")
    assert "Error: " in nobody and "tool" in nobody  # some servers keep the rest to themselves
    assert "InvalidArguments" in wrong and "pieces" in wrong
    assert "InvalidArguments" in unknown and "product: required" in unknown
